"""Loading the graph that a command line names."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flowgraph.errors import TargetError
from flowgraph.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

__all__ = ["Target", "load"]

_USUAL: Final = ("graph", "pipeline", "flow")
"""Functions that are taken for makers of a graph without an annotation that says so."""
_OWN: Final = (str(Path(__file__).parent), importlib.__path__[0])
"""Folders of code that is not the user's."""


@dataclass(frozen=True, slots=True)
class Target:
    """A graph, and where it came from."""

    graph: Graph
    stem: str
    """The file's or module's last name: what files about it are named after."""


def load(text: str) -> Target:
    """The graph that a target names.

    Parameters
    ----------
    text : str
        ``pipeline.py``, ``pipeline.py:name`` or ``package.module:name``; the
        name is of a graph, or of a function without required arguments that
        returns one.  A file with one graph needs no name.

    Raises
    ------
    TargetError
        If there is no such file, module or name, if none or several graphs
        could be meant, or for any error while the target is imported or built.
    """
    place, name = _split(text)
    if place.endswith(".py"):
        path = Path(place)
        if not path.is_file():
            raise TargetError.no_target_file(place)
        module, stem = _load_file(path, place), path.stem
    else:
        module, stem = _load_module(place), place.rpartition(".")[2]
    found = _named(module, place, name) if name else _only(module, place)
    return Target(_graph_of(found, module, place, name), stem)


def _split(text: str) -> tuple[str, str | None]:
    if text.endswith(".py"):
        return text, None
    place, colon, name = text.rpartition(":")
    if not (colon and place and name) or not (
        place.endswith(".py") or all(part.isidentifier() for part in place.split("."))
    ):
        raise TargetError.not_a_target(text)
    return place, name


def _load_file(path: Path, place: str) -> ModuleType:
    """Run a file as a module of its own name, so that what it defines can travel."""
    path = path.absolute()
    name = _free_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    _search_first(path.parent)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with _told(place, str(path)):
            # Compiled here: the loader would write a cache file next to the user's.
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            exec(code, vars(module))
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


def _free_name(path: Path) -> str:
    """The file's stem, unless another module has that name."""
    stem = name = path.stem.replace(".", "_")
    number = 1
    while name in sys.modules and not _is_of(sys.modules[name], path):
        number += 1
        name = f"{stem}_{number}"
    return name


def _is_of(module: ModuleType, path: Path) -> bool:
    return getattr(module, "__file__", None) == str(path) and module.__name__ != "__main__"


def _load_module(name: str) -> ModuleType:
    _search_first(Path.cwd())
    with _told(name, None):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # it is there, but something that it imports is not
            missing = error
    raise TargetError.no_target_module(name) from missing


def _search_first(folder: Path) -> None:
    """Let the target import its neighbours, as Python does for a script."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


@contextmanager
def _told(place: str, path: str | None) -> Iterator[None]:
    """Say of an error in the user's code where it arose."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        file = place if error.filename in (None, path) else os.path.relpath(str(error.filename))
        raise TargetError.syntax_error(file, error.lineno, error.msg) from error
    except SystemExit as error:
        raise TargetError.target_exited(*_where(error, place, path)) from error
    except BaseException as error:
        raise TargetError.target_failed(*_where(error, place, path), error) from error


def _where(error: BaseException, place: str, path: str | None) -> tuple[str, int | None]:
    """The last line of the target that the error went through; of a module, of any user's file."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if path is not None and frame.filename == path:
            return place, frame.lineno
        if path is None and not frame.filename.startswith(("<", *_OWN)):
            return os.path.relpath(frame.filename), frame.lineno
    return place, None


def _named(module: ModuleType, place: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError.no_such_graph(place, name, list(_candidates(module))) from None
    return found


def _only(module: ModuleType, place: str) -> Any:
    candidates = _candidates(module)
    names: dict[int, str] = {}
    for name, thing in candidates.items():
        names.setdefault(id(thing), name)  # a graph under two names is one
    if len(names) > 1:
        raise TargetError.several_graphs(place, list(names.values()))
    if not names:
        raise TargetError.no_graph(place)
    return next(iter(candidates.values()))


def _candidates(module: ModuleType) -> Mapping[str, Any]:
    """The module's graphs under their names; if it has none, its functions that make one."""
    things = vars(module)
    graphs = {name: thing for name, thing in things.items() if isinstance(thing, Graph)}
    if graphs:
        return graphs
    return {name: thing for name, thing in things.items() if _makes_graph(name, thing, module)}


def _makes_graph(name: str, thing: Any, module: ModuleType) -> bool:
    if not inspect.isfunction(thing) or thing.__module__ != module.__name__ or _required(thing):
        return False
    says = thing.__annotations__.get("return")
    if isinstance(says, str):
        return says.strip("'\"").rpartition(".")[2] == Graph.__name__
    return name in _USUAL if says is None else says is Graph


def _required(function: Any) -> list[str]:
    """Names of the arguments that a function cannot be called without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty and parameter.kind not in optional
    ]


def _graph_of(found: Any, module: ModuleType, place: str, name: str | None) -> Graph:
    if isinstance(found, Graph):
        return found
    shown = name or str(getattr(found, "__name__", found))
    if not callable(found):
        raise TargetError.not_a_graph(place, shown, found)
    if required := _required(found):
        raise TargetError.graph_needs_arguments(place, shown, required)
    with _told(place, getattr(module, "__file__", None)):
        made = found()
    if not isinstance(made, Graph):
        raise TargetError.not_a_graph(place, f"{shown}()", made)
    return made
