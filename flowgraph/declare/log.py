"""Calls as they were declared: their names and steps are made when somebody needs them.

A graph may have a hundred thousand calls, and most runs are over before anybody asks
what one of them is called.  So a call is its node and nothing else, until a name is
looked up, or something else is declared.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from contextlib import nullcontext
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from flowgraph.declare.names import numbered
from flowgraph.declare.node import Node
from flowgraph.declare.steps import plain_call
from flowgraph.runtime.calm import no_collections

if TYPE_CHECKING:
    from flowgraph.declare.names import Names
    from flowgraph.declare.node import Handle
    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["Log"]

_new: Final = object.__new__
_stage: Final = attrgetter("stage")
_NUMBERED: Final = re.compile(r"-\d+\Z")
_FEW: Final = 4
"""Names that are found one by one; then all are made."""
_MANY: Final = 500
"""Steps, from which on nobody is to look for garbage while they are made."""
_settling: Final = threading.RLock()
"""A call that fails has its name looked up in the thread where it does."""


class Log:
    """The calls of a graph, in the order of their declaration.

    Parameters
    ----------
    nodes, steps : dict
        Where a call is entered under its name.
    names : Names
        Gives names.

    Attributes
    ----------
    calls : list of Node
        Each behind those that it needs.
    settled : int
        How many of them are entered under their names.
    """

    def __init__(self, nodes: dict[str, Handle], steps: dict[str, Step], names: Names) -> None:
        self.calls: list[Node[Any]] = []
        self.settled = 0
        self._stepped = 0
        self._asked = 0
        self._nodes = nodes
        self._steps = steps
        self._names = names

    def add(
        self,
        graph: Any,
        stage: Stage[..., Any],
        args: tuple[Any, ...],
        needs: tuple[int, ...],
        kwargs: tuple[tuple[str, Any], ...] = (),
    ) -> Node[Any]:
        """The node of a new call; see `Node`."""
        node: Node[Any] = _new(Node)
        node.graph = graph
        node._name = ""
        node.number = len(self.calls)
        node.stage = stage
        node.args = args
        node.kwargs = kwargs
        node.needs = needs
        self.calls.append(node)
        return node

    def settle(self, count: int | None = None) -> None:
        """Give names to calls that have none, and enter them under these.

        Parameters
        ----------
        count : int, optional
            How many calls from the first one on; default all.
        """
        count = len(self.calls) if count is None else count
        if self.settled >= count:
            return
        with _settling:
            calls = self.calls[self.settled : count]
            alike: dict[str, list[Node[Any]]] = defaultdict(list)
            for node in calls:
                alike[node.stage.name].append(node)
            if any(map(_NUMBERED.search, alike)):  # one's default may be another one's second
                for node in calls:
                    self.enter(node, self._names.unique(node.stage.name))
                return
            for default, nodes in alike.items():
                for node, name in zip(nodes, self._names.alike(default, len(nodes)), strict=True):
                    node._name = name
            self._nodes.update([(node._name, node) for node in calls])
            self.settled += len(calls)

    def enter(self, node: Node[Any], name: str) -> None:
        """Enter the first call that is not entered, under a name that nobody has."""
        node._name = name
        self._nodes[name] = node
        self.settled += 1

    def make_steps(self) -> None:
        """Make the steps of all calls that have none."""
        self.settle()
        calls = self.calls
        if self._stepped == len(calls):
            return
        many = len(calls) - self._stepped > _MANY
        with _settling, no_collections() if many else nullcontext():
            for node in islice(calls, self._stepped, self.settled):
                needs = tuple([calls[need]._name for need in node.needs])
                step = plain_call(node._name, needs, node.stage, node.args, node.kwargs)
                self._steps[node._name] = step
                self._stepped += 1

    def name_of(self, node: Node[Any]) -> str:
        """The name of a call that has none yet.

        One name takes a glance at the calls before it.  Whoever asks for several gets all made.
        """
        with _settling:
            self._asked += 1
            if self._nodes or self._asked > _FEW or not (name := self._found(node)):
                self.settle()
            else:
                node._name = name
            return node._name

    def _found(self, node: Node[Any]) -> str:
        """The name that `settle` will give; empty if that depends on other names."""
        before = list(map(_stage, islice(self.calls, node.number)))
        default, stages = node.stage.name, {node.stage, *before}
        if any(_NUMBERED.search(stage.name) for stage in stages):
            return ""
        counts = Counter(before)
        alike = sum(count for stage, count in counts.items() if stage.name == default)
        return numbered(default, alike + 1)
