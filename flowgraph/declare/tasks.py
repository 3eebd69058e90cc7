"""Single calls as nodes: always made, or under a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from flowgraph.declare.arguments import Freezer, are_light, frozen, numbers_of
from flowgraph.declare.node import Node, names_of
from flowgraph.declare.register import Register
from flowgraph.declare.steps import MISSING, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flowgraph.declare.node import Handle

__all__ = ["Tasks"]

R = TypeVar("R")

_NOTHING: Final = ()
_new: Final = object.__new__


class Tasks(Register):
    """The single calls of a graph."""

    def task(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        name: str | None = None,
        after: Handle | Iterable[Handle] = _NOTHING,
        **kwargs: Any,
    ) -> Node[R]:
        """One call of a function, as a node.

        A function that returns an iterator, such as a generator, gives a list:
        an iterator could be read only once.

        Parameters
        ----------
        fn : callable
            A stage or any function.
        *args, **kwargs
            Nodes, collections (which arrive as lists), containers of these, or
            constants as they are now.
        name : str, optional
            Name of the node; default the stage's, made unique.  The stage of a
            lambda takes it, too.
        after : node or nodes
            What must have ended before; their values are not passed.

        Raises
        ------
        GraphError
            If the arguments do not fit the function, a node is of another
            graph, or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("sum")
        >>> a = g.task(int, "20")
        >>> g.run(g.task(max, a, 22)).value
        22
        """
        if kwargs or name is not None or after is not _NOTHING:
            return self._call(fn, args, kwargs, name=name, after=after)
        # Straight on, without a freezer: graphs have a hundred thousand of these.
        known = self._known.get(id(fn))
        # What has this id may be another object by now, if the graph was pickled.
        if known is not None and known[0] is fn:
            _, stage, fewest, most = known
        else:
            stage = self.stage_of(fn)
            fewest, most = stage.positional
        if not fewest <= len(args) <= most:
            stage.check(args, kwargs)
        simple = frozen(self, args)
        if simple is None:
            return self._call(fn, args, kwargs)
        node: Node[R] = _new(Node)  # as `Log.add` does it, in half of the time
        calls = self.log.calls
        node.graph, node._name, node.stage = self, "", stage  # type: ignore[assignment]  # a graph
        node.args, node.needs = simple
        node.kwargs = _NOTHING
        node.number = len(calls)
        calls.append(node)
        return node

    def when(
        self,
        condition: Any,
        fn: Callable[..., R],
        /,
        *args: Any,
        otherwise: Callable[..., Any] | None = None,
        name: str | None = None,
        after: Handle | Iterable[Handle] = _NOTHING,
        **kwargs: Any,
    ) -> Node[R]:
        """One call of a function, if a condition is true at run time.

        Without ``otherwise`` the node is skipped when the condition is false,
        and so is all that needs its value; nothing failed by that.

        Parameters
        ----------
        condition : Node
            Its value is asked for its truth.
        fn : callable
            What is called if it is true.
        *args, **kwargs
            As for `task`, for both functions.
        otherwise : callable, optional
            What is called if it is false.
        name : str, optional
            Name of the node; default that of ``fn``, made unique.
        after : node or nodes
            What must have ended before.

        Raises
        ------
        GraphError
            If the arguments do not fit a function, a node is of another graph,
            or the name is taken.

        Examples
        --------
        >>> from flowgraph import Graph
        >>> g = Graph("sign")
        >>> x = g.param("x", default=-3)
        >>> size = g.when(g.task(float.__lt__, 0.0, 1.0), abs, x, otherwise=int)
        >>> g.run(size).value
        3
        """
        return self._call(fn, args, kwargs, name=name, after=after, when=(condition, otherwise))

    def _call(
        self,
        fn: Callable[..., R],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        name: str | None = None,
        after: Handle | Iterable[Handle] = _NOTHING,
        when: tuple[Any, Callable[..., Any] | None] | None = None,
    ) -> Node[R]:
        """Add the node of one call.

        Parameters
        ----------
        fn : callable
            What is called.
        args, kwargs : sequence, mapping
            Its arguments, with nodes inside.
        name : str, optional
            Name of the node.
        after : node or nodes
            What must have ended before.
        when : tuple, optional
            A condition, and what is called instead if it is false.
        """
        stage = self.stage_of(fn, name)
        stage.check(args, kwargs)
        freezer = Freezer(self)
        frozen_args = freezer.args(args)
        frozen_kwargs = freezer.kwargs(kwargs) if kwargs else ()
        numbers = numbers_of(freezer.handles)
        waited_for = tuple(dict.fromkeys(names_of(self, after))) if after is not _NOTHING else ()
        alone = numbers is not None and when is None and not waited_for
        if alone and are_light(frozen_args, dict(frozen_kwargs).values()):
            assert numbers is not None
            given = None if name is None else self.new_name(name, "")
            node = self.log.add(self, stage, frozen_args, numbers, frozen_kwargs)
            if given is not None:
                self.log.enter(node, given)
            return node
        condition, otherwise = MISSING, None
        if when is not None:
            condition = freezer.template(when[0])
            if when[1] is not None:
                otherwise = self.stage_of(when[1])
                otherwise.check(args, kwargs)
        step = Call(
            name=self.new_name(name, stage.name),
            needs=freezer.needs,
            after=waited_for,
            stage=stage,
            args=frozen_args,
            kwargs=frozen_kwargs,
            condition=condition,
            otherwise=otherwise,
        )
        return self.add_node(step)
