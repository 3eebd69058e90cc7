"""Finds scripts that start processes without an ``if __name__ == "__main__":`` guard.

A nanny of a LocalCluster starts its worker by importing the script again; one
that starts a cluster while it is imported would do so in every worker.
"""

from __future__ import annotations

import ast
import sys

__all__ = ["is_unguarded"]


def is_unguarded() -> bool:
    """True if the call comes from the script's own top level, outside of a guard."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    line = _line_in(main)
    if path is None or line is None:
        return False
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return False  # not Python source: an installed command, a notebook
    return not _is_guarded(tree, line)


def _line_in(main: object) -> int | None:
    """The line that the script's top level is at; None if it is not running."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is vars(main):
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _is_guarded(tree: ast.Module, line: int) -> bool:
    """True if the line is inside an ``if`` that asks for ``__name__``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.lineno <= line <= (node.end_lineno or line):
            names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
            if "__name__" in names:
                return True
    return False
