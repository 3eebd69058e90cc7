"""The command line: ``flowgraph run``, ``flowgraph check``, ``flowgraph visualize``.

Standard output has what was asked for, standard error everything else.  What
takes long to import is imported inside the commands: ``--help`` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from flowgraph.console import (
    Command,
    end,
    say_error,
    settled,
    traceback_option,
)
from flowgraph.draw import FORMATS, format_for, format_of, picture
from flowgraph.errors import FlowgraphError, GraphError, SkippedError, StageError, TargetError
from flowgraph.streams import reserve, say, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowgraph.graph import Graph
    from flowgraph.results.run import Run

__all__ = ["cli", "invoke", "main"]


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, and leave with its exit code.

    Parameters
    ----------
    args : sequence of str, optional
        What comes after the program's name; default this process's arguments.
    """
    end(invoke(args))


def invoke(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    args : sequence of str, optional
        As for `main`.

    Returns
    -------
    int
        The exit code.
    """
    return settled(cli, args)


def _at_least_one(value: int | None) -> int | None:
    if value is not None and value < 1:
        raise click.BadParameter(f"{value} is not possible: it takes at least 1.")
    return value


scheduler_option = click.option(
    "--scheduler",
    metavar="NAME|ADDRESS",
    help="sync, threads, processes, distributed, or the address of a Dask scheduler such as "
    "tcp://127.0.0.1:8786.  [default: threads]",
)
workers_option = click.option(
    "--workers",
    type=int,
    callback=lambda _ctx, _param, value: _at_least_one(value),
    metavar="N",
    help="Calls that run at once.  [default: all cores]",
)
param_option = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of one of the graph's parameters; may be repeated.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dask-flowgraph", prog_name="flowgraph")
@traceback_option
def cli() -> None:
    """Run and draw graphs of plain Python functions on Dask.

    A TARGET is pipeline.py, pipeline.py:name or package.module:name: a Graph,
    or a function without arguments that returns one.  A file with one graph
    needs no name.

    Exit codes: 0 done, 1 the run failed, 2 the command or the graph is wrong,
    70 a fault of flowgraph itself, 130 interrupted.
    """
    reserve()


@cli.command(cls=Command)
@click.argument("target")
@scheduler_option
@workers_option
@param_option
@click.option(
    "--on-error",
    type=click.Choice(["raise", "collect"]),
    default="raise",
    show_default=True,
    help="End at the first failure, or run everything that can run.",
)
@click.option("--save", metavar="FILE", help="Write records and errors of the run, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the value as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@traceback_option
def run(
    target: str,
    *,
    scheduler: str | None,
    workers: int | None,
    params: tuple[str, ...],
    on_error: Any,
    save: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a graph: its value goes to standard output, the table of its stages to standard error."""
    from flowgraph.target import load  # noqa: PLC0415  imports dask

    graph = load(target).graph
    values = _coerced(graph, params)
    try:
        done = graph.run(
            params=values,
            scheduler=scheduler,
            workers=workers,
            on_error=on_error,
            progress=None if quiet else True,
        )
    except (FlowgraphError, KeyboardInterrupt) as error:
        ended: Run | None = getattr(error, "run", None)
        if ended is not None and ended.attempts:
            _tell_run(ended, save)
        raise
    _tell_run(done, save)
    _say_value(done, as_json)
    if not done.ok:
        first = done.errors[0]
        first.run = done
        raise first


def _tell_run(done: Run, path: str | None) -> None:
    """The table of a run, which is saved first if that is wanted."""
    if path is not None:
        done.save(path)
    tell(str(done.stages))


@cli.command(cls=Command)
@click.argument("target")
@scheduler_option
@workers_option
@param_option
@traceback_option
def check(
    target: str, *, scheduler: str | None, workers: int | None, params: tuple[str, ...]
) -> None:
    """Compile a graph and explain the plan; nothing of it runs.

    With the address of a Dask scheduler its workers are asked, too: whether
    they can load every stage, have the same versions and the resources that
    stages ask for.
    """
    from flowgraph.check import check as checked  # noqa: PLC0415  imports dask
    from flowgraph.target import load  # noqa: PLC0415  imports dask

    graph = load(target).graph
    found = checked(graph, _coerced(graph, params), scheduler, workers)
    say(found.plan.explain())
    for line in found.told:
        say(line)
    if found.wrong:
        raise GraphError.cannot_run(graph.name, found.wrong)


@cli.command(cls=Command)
@click.argument("target")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="File to write; its suffix sets the format; - for standard output.  "
    "[default: named after the target]",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="[default: svg]")
@traceback_option
def visualize(target: str, output: str | None, format_: str | None) -> None:
    """Draw a graph into a file, or print it with --format text."""
    from flowgraph.draw.model import drawing_of  # noqa: PLC0415
    from flowgraph.target import load  # noqa: PLC0415  imports dask

    if output is None or output == "-":
        format_ = format_ or "svg"
    else:
        format_ = format_of(output) if format_ is None else format_for(output, format_)
    loaded = load(target)
    graph = loaded.graph
    drawn = picture(drawing_of(graph.name, graph.steps, graph.outputs), format_)
    if output == "-" or (output is None and format_ == "text"):
        say(drawn)
        return
    path = output or f"{loaded.stem}.{format_}"
    try:
        with open(path, "wb") as file:
            file.write(drawn)
    except OSError as error:
        raise GraphError.cannot_write(path, error) from error
    say(f"wrote {path}")


def _say_value(done: Run, in_json: bool) -> None:
    """Print the value of a run; of one that failed, as much of it as there is."""
    from flowgraph.printed import as_json, as_text  # noqa: PLC0415

    try:
        text = as_json(done) if in_json else as_text(done)
    except FlowgraphError as error:
        if done.ok:
            raise
        if not isinstance(error, (SkippedError, StageError)):
            say_error(str(error))  # those have their cause among the run's errors, which follow
        return
    say(text)


def _coerced(graph: Graph, params: Sequence[str]) -> dict[str, Any]:
    """The parameters' values, made of the command line's text."""
    from flowgraph.declare.steps import Parameter  # noqa: PLC0415

    values: dict[str, Any] = {}
    for assignment in params:
        name, equals, text = assignment.partition("=")
        if not (name and equals):
            raise TargetError.not_an_assignment(assignment)
        step = graph.steps.get(name)
        values[name] = text
        if isinstance(step, Parameter) and step.type is not None:
            try:
                values[name] = step.type(text)
            except Exception as error:
                raise TargetError.bad_parameter(name, text, error) from error
    return values
