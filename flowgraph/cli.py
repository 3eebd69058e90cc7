"""The command line: ``flowgraph run``, ``flowgraph visualize``.

Standard output has what was asked for, standard error everything else.  What
takes long to import is imported inside the commands: ``--help`` is quick.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flowgraph.console import (
    FAILED,
    Command,
    end,
    exit_code,
    say_error,
    settled,
    traceback_option,
)
from flowgraph.draw import FORMATS, format_of, picture
from flowgraph.errors import FlowgraphError, GraphError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flowgraph.graph import Graph
    from flowgraph.results.progress import Progress
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


@cli.command(cls=Command)
@click.argument("target")
@click.option(
    "--scheduler",
    metavar="NAME|ADDRESS",
    help="sync, threads, processes, distributed, or the address of a Dask scheduler such as "
    "tcp://127.0.0.1:8786.  [default: threads]",
)
@click.option(
    "--workers", type=int, metavar="N", help="Calls that run at once.  [default: all cores]"
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of one of the graph's parameters; may be repeated.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "collect"]),
    default="raise",
    show_default=True,
    help="End at the first failure, or run everything that can run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the value as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@traceback_option
@click.pass_context
def run(
    ctx: click.Context,
    target: str,
    *,
    scheduler: str | None,
    workers: int | None,
    params: tuple[str, ...],
    on_error: Any,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a graph: its value goes to standard output, the table of its stages to standard error."""
    from flowgraph.results.display import Bars, Lines  # noqa: PLC0415
    from flowgraph.target import load  # noqa: PLC0415  imports dask

    graph = load(target).graph
    values = _coerced(graph, params)
    shown: AbstractContextManager[Callable[[Progress], object] | None]
    shown = nullcontext() if quiet else Bars() if sys.stderr.isatty() else Lines()
    try:
        with shown as progress:
            done = graph.run(
                params=values,
                scheduler=scheduler,
                workers=workers,
                on_error=on_error,
                progress=progress,
            )
    except FlowgraphError as error:
        if exit_code(error) == FAILED and error.run is not None:
            click.echo(str(error.run.stages), err=True)
        raise
    click.echo(str(done.stages), err=True)
    click.echo(_shown_value(done, as_json))
    if not done.ok:
        first, *others = done.errors
        more = f" (and {len(others)} more)" if others else ""
        say_error(f"{first}{more}")
        ctx.exit(FAILED)


@cli.command(cls=Command)
@click.argument("target")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="File to write; its suffix sets the format.  [default: named after the target]",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="[default: svg]")
@traceback_option
def visualize(target: str, output: str | None, format_: str | None) -> None:
    """Draw a graph into a file, or print it with --format text."""
    from flowgraph.draw.model import drawing_of  # noqa: PLC0415
    from flowgraph.target import load  # noqa: PLC0415  imports dask

    if format_ is None:
        format_ = "svg" if output is None else format_of(output)
    loaded = load(target)
    graph = loaded.graph
    drawn = picture(drawing_of(graph.name, graph.steps, graph.outputs), format_)
    if output is None and format_ == "text":
        click.echo(drawn.decode(), nl=not drawn.endswith(b"\n"))
        return
    path = output or f"{loaded.stem}.{format_}"
    try:
        with open(path, "wb") as file:
            file.write(drawn)
    except OSError as error:
        raise GraphError.cannot_write(path, error) from error
    click.echo(f"wrote {path}")


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


def _shown_value(done: Run, as_json: bool) -> str:
    import json  # noqa: PLC0415

    value = done.value
    if as_json:
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise FlowgraphError.not_json(error) from error
    try:
        return repr(value)
    except Exception as error:
        raise FlowgraphError.no_repr(error) from error
