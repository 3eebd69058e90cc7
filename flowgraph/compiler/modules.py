"""Which modules are the user's own, and making cloudpickle take those by value or by name.

A module is the user's own unless it belongs to the Python installation or to
an installed package: those are expected on every worker.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["by_name", "by_value", "is_installed"]

_OWN: Final = __name__.split(".", maxsplit=1)[0]
_INSTALLED: Final = tuple(
    path + os.sep  # ends in a separator: "…/python3.11-extra" is another folder
    for path in {
        sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
_PACKAGES: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
"""Parts of paths: the user's site, Debian's, and those of other environments on the path."""

_registry = threading.RLock()
_taken: list[list[ModuleType]] = []
"""The modules that are taken by value at the moment, if any are."""
_judged: tuple[dict[str, ModuleType], list[tuple[str, ModuleType]]] = {}, []
"""All modules when they were last looked at, and those of the user's among them."""


@contextmanager
def by_value() -> Iterator[None]:
    """Make cloudpickle take the user's modules by value; inside of itself it costs nothing."""
    with _registry:  # cloudpickle's registry is global
        if _taken:
            yield
            return
        known = cloudpickle.list_registry_pickle_by_value()
        modules = [module for name, module in _users() if name not in known]
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
def by_name() -> Iterator[None]:
    """Make cloudpickle take the user's modules by name, also inside of `by_value`."""
    with _registry:
        modules = _taken[0] if _taken else []
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.register_pickle_by_value(module)


def _users() -> list[tuple[str, ModuleType]]:
    """The user's modules; judged anew only when others are imported, as there are hundreds."""
    global _judged  # noqa: PLW0603  under the lock
    if sys.modules != _judged[0]:  # the very same ones are not asked whether they are equal
        imported = dict(sys.modules)
        _judged = imported, [pair for pair in imported.items() if _is_users(*pair)]
    return _judged[1]


def _is_users(name: str, module: ModuleType) -> bool:
    """True for a Python file that is not part of the installation."""
    file = getattr(module, "__file__", None)
    return (
        isinstance(file, str)
        and file.endswith(".py")
        and not is_installed(file)
        and getattr(module, "__name__", None) == name
        and name.split(".", maxsplit=1)[0] not in (_OWN, "__main__")
    )


def is_installed(file: str) -> bool:
    """True for a file of the Python installation or of an installed package.

    Examples
    --------
    >>> is_installed(threading.__file__)
    True
    >>> is_installed(os.path.join(os.sep, "home", "me", "pipeline.py"))
    False
    """
    return file.startswith(_INSTALLED) or any(part in file for part in _PACKAGES)
