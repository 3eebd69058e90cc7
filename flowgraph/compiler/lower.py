"""From steps to Dask tasks.

Each step becomes one or more tasks: a task is a piece of
`flowgraph.runtime.work` and the tasks it waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from flowgraph.compiler.dag import Chain, Constant, Gathered, Series, stages_of
from flowgraph.compiler.drafts import Drafts, Found, Lowered
from flowgraph.declare.steps import MISSING, Call, Collect, Count, Each, Fold, Pack, Source, Step
from flowgraph.runtime import work
from flowgraph.runtime.call import Nest, renumber
from flowgraph.runtime.calls import Calls, OneCall
from flowgraph.runtime.chain import ChainPart, LinkPlan
from flowgraph.runtime.merge import Merge
from flowgraph.runtime.outcome import Partition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowgraph.compiler.dag import Dag
    from flowgraph.compiler.plan import NodeInfo
    from flowgraph.runtime.code import Parcel
    from flowgraph.runtime.cuts import Cuts

__all__ = ["lower"]


def lower(dag: Dag, nodes: tuple[NodeInfo, ...], cuts: Mapping[str, Cuts]) -> Lowered:
    """The Dask tasks of a compiled graph.

    Parameters
    ----------
    dag : Dag
        A graph that went through all passes.
    nodes : tuple of NodeInfo
        Its nodes before fusing; a record names one by its place here.
    cuts : mapping of str to Cuts
        How each source is cut.
    """
    lowering = _Lowering(dag, Drafts(nodes), cuts)
    for step in dag.steps:
        lowering.add_step(step)
    return lowering.drafts.finish([lowering.target(name) for name in dag.targets])


class _Lowering:
    """Where the value of each step is: the numbers of its tasks."""

    def __init__(self, dag: Dag, drafts: Drafts, cuts: Mapping[str, Cuts]) -> None:
        self.drafts = drafts
        self._steps = dag.by_name()
        self._cuts = cuts
        self._made: dict[str, list[int]] = {}
        self._whole: dict[str, list[int]] = {}
        self._tokens: dict[str, int] = {}
        self._lanes: dict[str, int] = {}
        self._sources: dict[str, list[Parcel[Partition]]] = {}

    # Each kind of step

    def add_step(self, step: Step) -> None:
        """Add the tasks of a step."""
        match step:
            case Constant():
                value = self.drafts.parcel(step.value, f"parameter '{step.name}'")
                self._value(step, "param", work.Give, (), value=value)
            case Source(items=None):
                self._value(step, "list", work.List, (self._task(step.needs[0]),))
            case Source():
                pass  # its partitions travel with the tasks that read them
            case Gathered() | Collect():
                reads = tuple(self._parts(step.needs[0]))
                with_errors = isinstance(step, Collect)
                self._value(step, "collect", work.Gather, reads, with_errors=with_errors)
            case Pack():
                reads = tuple(map(self._task, step.needs))
                template = self.drafts.parcel(step.template, f"node '{step.name}'", step.template)
                self._value(step, "pack", work.Pack, reads, template=template)
            case Series():
                self._series(step)
            case Chain():
                self._chain(step)
            case _:
                raise TypeError(f"{type(step).__name__} cannot be lowered; fuse comes first")

    def _series(self, step: Series) -> None:
        places = {need: place for place, need in enumerate(step.needs)}
        calls = []
        for call in step.calls:
            slots = tuple(places[need] for need in call.needs)
            calls.append(
                OneCall(
                    self.drafts.stage(call.stage),
                    self.drafts.number(call.name),
                    call.name,
                    tuple(renumber(arg, slots) for arg in call.args),
                    tuple((key, renumber(arg, slots)) for key, arg in call.kwargs),
                    slots,
                )
            )
            places[call.name] = len(places)
        what = f"stage '{step.calls[-1].stage.name}'"
        contents = [arg for call in step.calls for arg in _arguments(call)]
        parcel = self.drafts.parcel(tuple(calls), what, *contents)
        reads = tuple(map(self._task, step.needs))
        self._value(step, _prefix(step), Calls, reads, lane=step.lane, calls=parcel)

    def _chain(self, step: Chain) -> None:
        if step.end is None:
            self._made[step.name] = self._chain_parts(step, "list")
        elif isinstance(step.end, Count):
            parts = self._chain_parts(step, "count")
            self._value(step, "count", work.Total, tuple(parts))
        else:
            stage = self.drafts.stage(step.end.stage)
            op = LinkPlan(stage, self.drafts.number(step.name), step.name, "map")
            self._tree(step, step.end, op, self._chain_parts(step, op))

    def _chain_parts(self, step: Chain, end: Literal["list", "count"] | LinkPlan) -> list[int]:
        """Add a task for each partition."""
        assert step.cuts is not None
        places = {need: place for place, need in enumerate(step.needs[1:])}
        owner = f"stage '{stages_of(step)[0].name}'" if stages_of(step) else f"'{step.name}'"
        arguments = [arg for link in step.links for arg in _arguments(link)]
        links = self.drafts.parcel(
            tuple(self._link(link, places) for link in step.links), owner, *arguments
        )
        others = tuple(map(self._task, step.needs[1:]))
        whole, parcels, firsts = self._collection(step.needs[0])
        return [
            self._add(
                step,
                _prefix(step),
                ChainPart,
                (*(firsts if whole else firsts[part : part + 1]), *others),
                lane=step.lane,
                links=links,
                end=end,
                part=part,
                cuts=step.cuts,
                in_order=step.lane is not None,
                source=parcels[part] if parcels else None,
                whole=whole,
            )
            for part in range(len(step.cuts))
        ]

    def _tree(self, step: Chain, fold: Fold, op: LinkPlan, partials: list[int]) -> None:
        nothing: Parcel[Any] = self.drafts.parcel((), "")
        template = () if fold.initial is MISSING else (fold.initial,)
        slots = tuple(range(-1, len(fold.needs) - 1))
        initial = Nest(tuple, tuple(renumber(item, slots) for item in template))
        start = self.drafts.parcel(initial, f"initial value of '{step.name}'", *template)
        others = tuple(map(self._task, fold.needs[1:]))
        for width in step.levels[1:]:
            last = width == 1
            size = -(-len(partials) // width)
            groups = [partials[k : k + size] for k in range(0, len(partials), size)]
            partials = [
                self._add(
                    step,
                    _prefix(step),
                    Merge,
                    (*group, *(others if last else ())),
                    lane=step.lane,
                    op=op,
                    last=last,
                    initial=start if last else nothing,
                    partials=len(group),
                )
                for group in groups
            ]
        self._made[step.name] = partials

    def _link(self, link: Each, places: Mapping[str, int]) -> LinkPlan:
        slots = (-1, *(places[need] for need in link.needs[1:]))
        return LinkPlan(
            self.drafts.stage(link.stage),
            self.drafts.number(link.name),
            link.name,
            link.op,
            tuple(renumber(arg, slots) for arg in link.args),
            tuple((key, renumber(arg, slots)) for key, arg in link.kwargs),
        )

    # Where values are

    def target(self, name: str) -> Found:
        """Where the value of a target is."""
        step = self._steps[name]
        items = isinstance(step, Source) or (isinstance(step, Chain) and step.end is None)
        return Found(name, tuple(self._parts(name) if items else self._made[name]), items)

    def _task(self, name: str) -> int:
        """The task that has the value of a step."""
        (number,) = self._made[name]
        return number

    def _parts(self, name: str) -> list[int]:
        """The tasks that have the partitions of a collection."""
        source = self._steps[name]
        if not isinstance(source, Source):
            return self._made[name]
        if name not in self._whole:
            whole = Chain(name=name, needs=(name,), links=(), cuts=self._cuts[name])
            self._whole[name] = self._chain_parts(whole, "list")
        return self._whole[name]

    def _collection(self, name: str) -> tuple[bool, Sequence[Parcel[Partition]], tuple[int, ...]]:
        """How a chain gets at its partitions: whole list, parcels, tasks to read."""
        source = self._steps[name]
        if not isinstance(source, Source):
            return False, (), tuple(self._made[name])
        if source.items is None:
            return True, (), (self._task(name),)
        if name not in self._sources:
            cuts, items = self._cuts[name], source.items
            bounds = (cuts.bounds(part, len(items)) for part in range(len(cuts)))
            self._sources[name] = [
                self.drafts.parcel(
                    Partition(items[a:b], range(a, b)), f"items of '{name}'", items[a:b]
                )
                for a, b in bounds
            ]
        return False, self._sources[name], ()

    def _token(self, name: str) -> int:
        """A task that says that a step has ended, without its data."""
        if name not in self._tokens:
            step = self._steps[name]
            is_known_source = isinstance(step, Source) and step.items is not None
            parts = self._parts(name) if is_known_source else self._made[name]
            tokens = [self._add(step, "token", work.Token, (part,)) for part in parts]
            if len(tokens) > 1:
                tokens = [self._add(step, "token", work.Token, tuple(tokens))]
            self._tokens[name] = tokens[0]
        return self._tokens[name]

    # Making tasks

    def _value(
        self, step: Step, prefix: str, kind: type[work.Work], reads: tuple[int, ...], **fields: Any
    ) -> None:
        """Add the task that has the value of a step."""
        self._made[step.name] = [self._add(step, prefix, kind, reads, **fields)]

    def _add(
        self,
        step: Step,
        prefix: str,
        kind: type[work.Work],
        reads: tuple[int, ...],
        *,
        lane: str | None = None,
        **fields: Any,
    ) -> int:
        after = () if kind is work.Token else tuple(map(self._token, step.after))
        before = (self._lanes[lane],) if lane in self._lanes else ()
        node = step.needs[0] if isinstance(step, Gathered) else step.name
        number = self.drafts.add(
            node, step.name, prefix, kind, reads, after=after, before=before, **fields
        )
        if lane is not None:
            # A key of its own: the next task must not make its data travel.
            self._lanes[lane] = self._add(step, "token", work.Token, (number,))
        return number


def _prefix(step: Step) -> str:
    """What Dask's dashboard shows: the names of the stages."""
    names = [stage.name for stage in stages_of(step)] or ["items"]
    return "+".join(names if len(names) <= 4 else [names[0], "…", names[-1]])


def _arguments(step: Call | Each) -> list[Any]:
    return [*step.args, *(arg for _, arg in step.kwargs)]
