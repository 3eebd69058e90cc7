"""How a command ends: its exit code, and its error in one line."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from flowgraph.errors import CompileError, FlowgraphError, GraphError, SchedulerError, StageError
from flowgraph.errors.wording import said, shown
from flowgraph.streams import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FAILED",
    "Command",
    "end",
    "exit_code",
    "say_error",
    "settled",
    "traceback_option",
]

FAILED: Final = 1
"""Exit code: the run failed."""
WRONG: Final = 2
"""Exit code: the command or the graph is wrong."""
FAULT: Final = 70
"""Exit code: flowgraph itself is."""
INTERRUPTED: Final = 130
"""Exit code: Ctrl-C."""

_TRACEBACK: Final = "flowgraph.traceback"


def settled(command: click.Command, args: Sequence[str] | None) -> int:
    """Run a command, say what is wrong, and give its exit code."""
    try:
        result = command.main(args, prog_name="flowgraph", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        say_error(error.format_message() + _help_hint(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say_error("interrupted.")
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return "" if context is None else f" See {context.command_path} --help."


def end(code: int) -> NoReturn:
    """End the process; after a failed run without waiting for stages in its threads."""
    if code not in (FAILED, INTERRUPTED):
        sys.exit(code)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(0.1)
            if thread.is_alive():
                break
    else:
        sys.exit(code)
    _run_exit_functions()
    with suppress(OSError, ValueError, AttributeError):  # it may be closed, or not be there
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run_exit_functions() -> None:
    """What was registered with atexit, such as the end of worker processes.

    Python runs it only after all threads that are no daemons have ended, and has
    no public way to run it before.
    """
    atexit._run_exitfuncs()


class Command(click.Command):
    """A command whose errors are one line, and whose exit code says whose fault it was."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            self._end(ctx, error, "interrupted.", INTERRUPTED)
        except FlowgraphError as error:
            self._end(ctx, error, _in_words(ctx, error), exit_code(error))
        except Exception as error:
            text = (
                f"flowgraph itself failed: {said(error)}. "
                "Please report it, with what --traceback shows."
            )
            self._end(ctx, error, text, FAULT)

    def _end(self, ctx: click.Context, error: BaseException, text: str, code: int) -> NoReturn:
        if ctx.meta.get(_TRACEBACK):
            import traceback  # noqa: PLC0415

            tell("".join(traceback.format_exception(error)), nl=False)
        say_error(text)
        ctx.exit(code)


def exit_code(error: FlowgraphError) -> int:
    """Whose fault an error is: the run's or the command's."""
    if isinstance(error, SchedulerError):
        # Went away while it worked: that is the run's failure, not the command's.
        return FAILED if error.run is not None and error.run.attempts else WRONG
    return WRONG if isinstance(error, (GraphError, CompileError)) else FAILED


def say_error(text: str) -> None:
    """One line on standard error."""
    tell("error: " + shown(" ".join(text.split())))


def _in_words(ctx: click.Context, error: FlowgraphError) -> str:
    """An error; of a stage's also where it arose, and how many others there were."""
    if not isinstance(error, StageError):
        return str(error)
    others = 0 if error.run is None else len(error.run.errors) - 1
    facts = [
        _line_of(error.__cause__),
        f"and {others} more" if others > 0 else "",
        "" if ctx.meta.get(_TRACEBACK) else "see --traceback",
    ]
    more = "; ".join(filter(None, facts))
    return f"{error} ({more})" if more else str(error)


def _line_of(error: BaseException | None) -> str:
    """The innermost line of the user's code that an error went through."""
    if error is None:
        return ""
    import sysconfig  # noqa: PLC0415  only a failure pays for these
    import traceback  # noqa: PLC0415

    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = (os.path.dirname(__file__), *map(sysconfig.get_path, kinds))
    others = ("<", *(f"{folder}{os.sep}" for folder in folders))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(others):
            return f"{_short(frame.filename)}, line {frame.lineno}"
    return ""


def _short(file: str) -> str:
    """A file's name as seen from the current folder, if it is inside."""
    return file.removeprefix(f"{os.getcwd()}{os.sep}")


def _remember_traceback(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_TRACEBACK] = True


traceback_option = click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    callback=_remember_traceback,
    help="Show the whole traceback of an error.",
)
