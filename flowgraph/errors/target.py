"""A target of the command line that gives no graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.errors.graph import GraphError
from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import quoted, said

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TargetError"]


class TargetError(GraphError):
    """What the command line was given is no graph, or does not fit it."""

    @classmethod
    def not_a_target(cls, text: str) -> TargetError:
        """A target is neither a Python file nor a name in a module."""
        return cls(
            f"'{text}' names no graph: give pipeline.py, pipeline.py:name or package.module:name."
        )

    @classmethod
    def no_target_file(cls, place: str) -> TargetError:
        """A target's file does not exist."""
        return cls(f"there is no file '{place}'.")

    @classmethod
    def no_target_module(cls, name: str) -> TargetError:
        """A target's module does not exist."""
        return cls(
            f"there is no module '{name}', neither in this folder nor installed.\n"
            "For a file give its name with .py."
        )

    @classmethod
    def no_such_graph(cls, place: str, name: str, known: Sequence[str]) -> TargetError:
        """A target's module has no such name."""
        has = f"its graphs are {quoted(known)}" if known else "it has no graph"
        return cls(f"{place} has no '{name}'; {has}.")

    @classmethod
    def no_graph(cls, place: str) -> TargetError:
        """A target's file has no graph."""
        return cls(
            f"{place} has no graph.\n"
            "Give it one at its top level, or a function that returns one: "
            "def graph() -> Graph."
        )

    @classmethod
    def several_graphs(cls, place: str, names: Sequence[str]) -> TargetError:
        """A target's file has several graphs, and none was named."""
        return cls(
            f"{place} has several graphs: {quoted(names)}.\nName one, as in {place}:{names[0]}"
        )

    @classmethod
    def not_a_graph(cls, place: str, name: str, thing: object) -> TargetError:
        """What a target names is something else."""
        return cls(
            f"'{name}' in {place} is of type {type(thing).__name__}, not a Graph.\n"
            "Name a Graph, or a function without arguments that returns one."
        )

    @classmethod
    def graph_needs_arguments(cls, place: str, name: str, required: Sequence[str]) -> TargetError:
        """A function that makes a graph cannot be called without arguments."""
        return cls(
            f"'{name}' in {place} needs arguments: {quoted(required)}.\n"
            "Give them defaults, or make them parameters of the graph: g.param."
        )

    @classmethod
    def target_failed(cls, place: str, line: int | None, error: BaseException) -> TargetError:
        """The user's code raised while it was imported or built."""
        where = place if line is None else f"{place}, line {line}"
        if isinstance(error, FlowgraphError):
            return cls(f"{where}: {error}")
        return cls(f"{where}: {said(error)}")

    @classmethod
    def syntax_error(cls, place: str, line: int | None, reason: str) -> TargetError:
        """The user's code is not Python."""
        where = place if line is None else f"{place}, line {line}"
        return cls(f"{where} is not Python: {reason}")

    @classmethod
    def target_exited(cls, place: str, line: int | None) -> TargetError:
        """The user's code ended the program while it was imported or built."""
        where = place if line is None else f"{place}, line {line},"
        return cls(
            f"{where} ended the program while it was imported.\n"
            'Put what only a script does under: if __name__ == "__main__":'
        )

    @classmethod
    def not_an_assignment(cls, text: str) -> TargetError:
        """--param without a value."""
        return cls(f"--param {text}: give a name and a value, as in --param folder=photos.")

    @classmethod
    def bad_parameter(cls, name: str, text: str, error: BaseException) -> TargetError:
        """The parameter's type refused the command line's text."""
        return cls(f"parameter '{name}' cannot be made of {text!r}: {said(error)}")
