"""Pickling user code by value, and saying clearly what cannot travel.

Functions and classes of the user's own modules are pickled with their code, so
that workers need neither the pipeline's file nor its siblings.  What cannot be
pickled by value, such as a function that uses a lock of its module, is pickled
by name, as plain pickle does.
"""

from __future__ import annotations

import io
import sys
from collections import ChainMap
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import cloudpickle

from flowgraph.compiler.guilty import guilty_part
from flowgraph.compiler.modules import by_name, by_value
from flowgraph.declare.stage import Stage
from flowgraph.errors import CompileError
from flowgraph.runtime import pickling
from flowgraph.runtime.failure import use_frames

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from flowgraph.declare.steps import Call, Each
    from flowgraph.runtime.code import Code, Parcel
    from flowgraph.runtime.frames import Frame

__all__ = ["Cargo", "dumps", "seal", "use_in_driver"]

_OURS: Final = frozenset({__name__.partition(".")[0], cloudpickle.__name__})


def dumps(
    value: Any,
    /,
    protocol: int | None = None,
    buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
) -> bytes:
    """The value as bytes, with the user's own functions and classes by value.

    Raises
    ------
    Exception
        Whatever says that the value can be pickled neither by value nor by name.
    """
    with by_value():
        try:
            return _pickled(value, protocol, buffer_callback)
        except Exception as error:
            reason = error
    with by_name():
        try:
            return _pickled(value, protocol, buffer_callback)
        except Exception:
            raise reason from None


def _reduced(stage: Stage[..., Any]) -> str | tuple[Any, ...]:
    """How a stage is pickled: by value where its module is."""
    registered = cloudpickle.list_registry_pickle_by_value()
    if stage.__module__ == "__main__" or stage.__module__ in registered:
        return stage.by_value()
    return stage.__reduce__()


def _reduced_code(code: CodeType) -> tuple[Any, ...]:
    """How a function's code is pickled: with its file, which cloudpickle 3.1.3 leaves out."""
    make, args = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return pickling.code_of, (code.co_filename, make, args)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    """Takes stages that functions call by value too, as cloudpickle does functions."""

    dispatch_table: ClassVar = ChainMap(
        {Stage: _reduced, CodeType: _reduced_code}, cloudpickle.Pickler.dispatch_table
    )

    def reducer_override(self, obj: Any) -> Any:
        """As cloudpickle's, which searches long for what every process has in the same place."""
        kind = type(obj)
        if (kind is FunctionType or kind is type) and _is_ours(obj):
            return NotImplemented
        return super().reducer_override(obj)


def _is_ours(thing: Any) -> bool:
    """True for functions and classes of flowgraph and of cloudpickle itself."""
    name = thing.__module__
    if not isinstance(name, str) or name.partition(".")[0] not in _OURS:
        return False
    return getattr(sys.modules.get(name), thing.__qualname__, None) is thing


def _pickled(
    value: Any,
    protocol: int | None,
    buffer_callback: Callable[[pickle.PickleBuffer], object] | None,
) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file, protocol=protocol, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


def use_in_driver() -> None:
    """Make this process one that sends user code, and reads what comes back.

    Instances of the user's classes go by value too: parameters, constants,
    results.  Failures that arrive show where in the user's code they arose.
    """
    pickling.use(dumps)
    _rebuild_tracebacks()


def _rebuild_tracebacks() -> None:
    from tblib import Traceback

    def make(frames: list[Frame]) -> TracebackType | None:
        made: dict[str, Any] | None = None
        for file, function, line in reversed(frames):
            made = {
                "tb_frame": {
                    "f_code": {"co_filename": file, "co_name": function},
                    "f_globals": {"__name__": "", "__file__": file},
                    "f_locals": {},
                    "f_lineno": line,
                },
                "tb_lineno": line,
                "tb_next": made,
            }
        return None if made is None else Traceback.from_dict(made).as_traceback()

    use_frames(make)


class Cargo(NamedTuple):
    """Something of the user's that tasks take along."""

    parcel: Parcel[Any]
    told: tuple[tuple[str, Any], ...] = ()
    calls: Sequence[Call | Each] = ()
    """Whose arguments are in it, too."""

    @property
    def contents(self) -> list[tuple[str, Any]]:
        """The user's objects in it, each after its owner, for the error: "stage 'load'"."""
        arguments = [
            (f"stage '{call.stage.name}'", arg)
            for call in self.calls
            for arg in (*call.args, *(arg for _, arg in call.kwargs))
        ]
        return [*self.told, *arguments]


def seal(code: Code, cargo: tuple[Cargo, ...]) -> None:
    """Pickle everything of the user's that tasks take along, before anything runs.

    Raises
    ------
    CompileError
        For the first thing that cannot travel, with its stage.
    """
    with by_value():  # once for all: it looks through every module there is
        _seal(code, cargo)


def _seal(code: Code, cargo: tuple[Cargo, ...]) -> None:
    try:
        code.seal()
    except Exception as error:
        for entry in code.stages():
            _check(f"stage '{entry.name}'", entry.function, error)
            _check(f"the retry condition of stage '{entry.name}'", entry.retry, error)
        raise CompileError.cannot_travel("the stages", "their functions", error) from error
    for item in cargo:
        try:
            item.parcel.seal()
        except Exception as error:
            for owner, content in item.contents:
                _check(owner, content, error)
            # Each travels alone, but not all of them together.
            owners = " with ".join(dict.fromkeys(owner for owner, _ in item.contents))
            raise CompileError.cannot_travel(owners, "an argument", error) from error


def _check(owner: str, thing: Any, error: Exception) -> None:
    try:
        dumps(thing)
    except Exception:
        raise CompileError.cannot_travel(owner, guilty_part(thing, _travels), error) from error


def _travels(thing: Any) -> bool:
    try:
        dumps(thing)
    except Exception:
        return False
    return True
