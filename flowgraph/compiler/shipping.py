"""Pickling user code by value, and saying clearly what cannot travel.

Functions and classes of the user's own modules are pickled with their code, so
that workers need neither the pipeline's file nor its siblings.  A module is the
user's own unless it belongs to the Python installation: those are expected on
every worker.  What cannot be pickled by value, such as a function that uses a
lock of its module, is pickled by name, as plain pickle does.
"""

from __future__ import annotations

import io
import sys
import sysconfig
import threading
from collections import ChainMap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import cloudpickle

from flowgraph.declare.stage import Stage
from flowgraph.errors import CompileError
from flowgraph.runtime import pickling
from flowgraph.runtime.failure import use_frames

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Iterator
    from types import ModuleType, TracebackType

    from flowgraph.runtime.code import Code, Parcel
    from flowgraph.runtime.failure import Frame

__all__ = ["Cargo", "dumps", "rebuild_tracebacks", "seal"]

_INSTALLED = tuple(
    sorted({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
)
_OWN = __name__.split(".", maxsplit=1)[0]
_registry = threading.RLock()
_taken: list[list[ModuleType]] = []
"""The modules that are taken by value at the moment, if any are."""


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
    with _by_value():
        try:
            return _pickled(value, protocol, buffer_callback)
        except Exception as error:
            by_value = error
    with _by_name():
        try:
            return _pickled(value, protocol, buffer_callback)
        except Exception:
            raise by_value from None


def _reduced(stage: Stage[..., Any]) -> str | tuple[Any, ...]:
    """How a stage is pickled: by value where its module is."""
    by_value = cloudpickle.list_registry_pickle_by_value()
    if stage.__module__ == "__main__" or stage.__module__ in by_value:
        return stage.by_value()
    return stage.__reduce__()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    """Takes stages that functions call by value too, as cloudpickle does functions."""

    dispatch_table: ClassVar = ChainMap({Stage: _reduced}, cloudpickle.Pickler.dispatch_table)


def _pickled(
    value: Any,
    protocol: int | None,
    buffer_callback: Callable[[pickle.PickleBuffer], object] | None,
) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file, protocol=protocol, buffer_callback=buffer_callback).dump(value)
        return file.getvalue()


def rebuild_tracebacks() -> None:
    """Make failures that arrive from elsewhere show where in the user's code they arose."""
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


# A driver sends instances of the user's classes too: parameters, constants, results.
pickling.use(dumps)


@contextmanager
def _by_value() -> Iterator[None]:
    """Make cloudpickle take the user's modules by value; inside of itself it costs nothing."""
    with _registry:  # cloudpickle's registry is global
        if _taken:
            yield
            return
        known = cloudpickle.list_registry_pickle_by_value()
        modules = [
            module
            for name, module in list(sys.modules.items())
            if name not in known and _is_users(name, module)
        ]
        _taken.append(modules)
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            _taken.clear()
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def _by_name() -> Iterator[None]:
    """Make cloudpickle take the user's modules by name, also inside of `_by_value`."""
    with _registry:
        modules = _taken[0] if _taken else []
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.register_pickle_by_value(module)


def _is_users(name: str, module: ModuleType) -> bool:
    """True for a Python file that is not part of the installation."""
    file = getattr(module, "__file__", None)
    return (
        isinstance(file, str)
        and file.endswith(".py")
        and not file.startswith(_INSTALLED)
        and getattr(module, "__name__", None) == name
        and name.split(".", maxsplit=1)[0] not in (_OWN, "__main__")
    )


@dataclass(frozen=True, slots=True)
class Cargo:
    """Something of the user's that tasks take along."""

    parcel: Parcel[Any]
    owner: str
    """Whose it is, for the error: "stage 'load'"."""
    contents: tuple[Any, ...]
    """The user's objects in it."""


def seal(code: Code, cargo: tuple[Cargo, ...]) -> None:
    """Pickle everything of the user's that tasks take along, before anything runs.

    Raises
    ------
    CompileError
        For the first thing that cannot travel, with its stage.
    """
    with _by_value():  # once for all: it looks through every module there is
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
            for content in item.contents:
                _check(item.owner, content, error)
            raise CompileError.cannot_travel(item.owner, "an argument", error) from error


def _check(owner: str, thing: Any, error: Exception) -> None:
    try:
        dumps(thing)
    except Exception:
        raise CompileError.cannot_travel(owner, _guilty(thing), error) from error


def _guilty(thing: Any) -> str:
    """The part that cannot be pickled, as a user would recognise it."""
    function = getattr(thing, "func", thing)
    closure = getattr(function, "__closure__", None) or ()
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, closure, strict=False):
        if not _travels(cell.cell_contents):
            return f"'{name}' = {cell.cell_contents!r}, which it uses,"
    used = getattr(getattr(function, "__code__", None), "co_names", ())
    space = getattr(function, "__globals__", {})
    for name in used:
        if name in space and not _travels(space[name]):
            return f"'{name}' = {space[name]!r}, which it uses,"
    if isinstance(thing, (list, tuple)):
        for item in thing:
            if not _travels(item):
                return _guilty(item)
    if isinstance(thing, dict):
        for item in thing.values():
            if not _travels(item):
                return _guilty(item)
    return repr(thing)


def _travels(thing: Any) -> bool:
    try:
        dumps(thing)
    except Exception:
        return False
    return True
