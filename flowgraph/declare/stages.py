"""The stages that callables are: one for each, whenever a graph meets it."""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from flowgraph.declare.function import is_lambda
from flowgraph.declare.inside import holds_node
from flowgraph.declare.stage import Stage
from flowgraph.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stages"]

P = ParamSpec("P")
R = TypeVar("R")

Known = tuple[object, Stage[..., Any], int, float]
"""A function, the stage that it always is, and how many positional arguments surely fit.

Plain tuples: a graph of very many calls takes these apart as often.
"""


class Stages:
    """Remembers which stage each callable became."""

    def __init__(self) -> None:
        self._stages: dict[tuple[int, str], tuple[object, Stage[..., Any]]] = {}
        self._known: dict[int, Known] = {}
        self._methods: dict[tuple[int, int], Stage[..., Any]] = {}

    def stage_of(self, function: Callable[P, R], name: str | None = None) -> Stage[P, R]:
        """The stage that a callable is; the same one whenever this graph meets it.

        Parameters
        ----------
        function : callable
            A stage or any function.
        name : str, optional
            The name that its node was given.  A lambda's stage takes it, having
            none of its own: else all lambdas would share a row of the table.

        Raises
        ------
        GraphError
            If it cannot be a stage.
        """
        quick = self._known.get(id(function))
        # What has this id may be another object by now, if the graph was pickled.
        if quick is not None and quick[0] is function:
            return quick[1]  # type: ignore[return-value]  # it was made of this function
        if isinstance(function, Stage):
            stage: Stage[P, R] = self._method(function)
            if stage is function and not isinstance(stage.function, MethodType):
                self._known[id(function)] = function, stage, *stage.positional
            return stage
        given = name if isinstance(name, str) and is_lambda(function) else ""
        known = self._stages.get((id(function), given))
        if known is None or known[0] is not function:
            if isinstance(function, functools.partial) and holds_node(
                (function.args, function.keywords)
            ):
                raise GraphError.hidden_node("functools.partial")
            stage = Stage.of(function)
            known = (function, stage.options(name=given) if given else stage)
            self._stages[id(function), given] = known
            if not is_lambda(function):
                self._known[id(function)] = *known, *known[1].positional
        return cast("Stage[P, R]", known[1])

    def plain_stage_of(
        self, function: Callable[P, R], role: str, name: str | None = None
    ) -> Stage[P, R]:
        """As `stage_of`, for a function that is called within a block of calls.

        Raises
        ------
        GraphError
            If it cannot be a stage, or is a coroutine function.
        """
        stage = self.stage_of(function, name)
        if stage.is_coroutine:
            raise GraphError.coroutine_as(stage.name, role)
        return stage

    def _method(self, stage: Stage[P, R]) -> Stage[P, R]:
        """The stage itself; of one method of one object, of which each look makes a new stage, one.

        A limit, such as one call at a time, belongs to the stage object.
        """
        method = stage.function
        if not isinstance(method, MethodType):
            return stage
        known: Stage[Any, Any] = self._methods.setdefault(
            (id(method.__self__), id(method.__func__)), stage
        )
        same = known.function == method and known.has_options_of(stage)
        return known if same else stage

    def callable_of(self, stage: Stage[..., Any]) -> Callable[..., Any]:
        """What a stage was given as: itself, or the plain function that became it here."""
        found = (function for function, made in self._stages.values() if made is stage)
        return cast("Callable[..., Any]", next(found, stage))
