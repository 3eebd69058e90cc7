"""What is drawn, whatever the format: boxes and arrows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from flowgraph.compiler.steps import reads_items, stages_of
from flowgraph.declare.steps import Pack, Source, kind_of
from flowgraph.draw.looks import LOOKS
from flowgraph.errors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flowgraph.declare.stage import Stage
    from flowgraph.declare.steps import Step

__all__ = ["Arrow", "Box", "Drawing", "Part", "drawing_of", "parts_of"]

_OPTIONS: Final = {
    "deadline": " s",
    "max_concurrency": "",
    "rate": "/s",
    "batch_size": "",
    "pause": " s",
}
"""Options of a stage that are shown if they are set, with their units."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the graph."""

    name: str
    label: str
    kind: str
    """A key of `flowgraph.draw.looks.LOOKS`."""
    detail: str = ""
    """Options of its stage."""
    target: bool = False
    """True if it is an output of the graph."""
    stage: str = ""
    """Name of the stage that it calls, if it calls one."""
    part: str = ""
    """Name of the included graph that it is a part of, if it is of one."""

    @property
    def short(self) -> str:
        """The label as it is read inside its part."""
        if self.name == self.part:
            return self.label.rpartition("/")[2]
        return self.label.removeprefix(f"{shown(self.part)}/")

    @property
    def parallel(self) -> bool:
        """True if it stands for many items."""
        return LOOKS[self.kind].parallel


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a node to one that needs it."""

    tail: str
    head: str
    kind: Literal["value", "items", "control"]
    """One value, item by item, or only an order."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes in an order they could run, and the arrows between them."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A graph, or one that it includes: its own boxes, and the parts inside."""

    name: str = ""
    """That of the node that has its value."""
    boxes: list[Box] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def short(self) -> str:
        """Its name as it is read inside the part around it."""
        return shown(self.name.rpartition("/")[2])


def parts_of(drawing: Drawing) -> Part:
    """The boxes of a drawing, those of included graphs apart.

    Examples
    --------
    >>> boxes = Box("b/c", "b/c", "task", part="b"), Box("b", "b", "join", part="b")
    >>> [part.name for part in parts_of(Drawing("d", boxes, ())).parts]
    ['b']
    """
    whole = Part()
    made = {name: Part(name) for name in dict.fromkeys(box.part for box in drawing.boxes) if name}
    for part in made.values():
        around = next((made[name] for name in _around(part.name) if name in made), whole)
        around.parts.append(part)
    for box in drawing.boxes:
        made.get(box.part, whole).boxes.append(box)
    return whole


def _around(name: str) -> Iterator[str]:
    """The names of what could be around a node, from the inside out."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def drawing_of(name: str, steps: Mapping[str, Step], outputs: tuple[str, ...]) -> Drawing:
    """The drawing of a declared graph.

    Parameters
    ----------
    name : str
        Name of the graph.
    steps : mapping of str to Step
        Its steps, each after those it needs.
    outputs : tuple of str
        Names of its outputs.

    Examples
    --------
    >>> from flowgraph import Graph
    >>> g = Graph("words")
    >>> items = g.items(["to be", "or not"]).flat_map(str.split)
    >>> drawing_of(g.name, g.steps, ()).arrows
    (Arrow(tail='items', head='split', kind='items'),)
    """
    boxes, arrows = [], []
    targets = frozenset(outputs)
    parts = _parts(steps)
    for step in steps.values():
        part = parts.get(step.name, "")
        label = shown(_label(step, step.name.removeprefix(f"{part}/")))
        target = step.name in targets
        kind = kind_of(step)
        boxes.append(Box(step.name, label, kind, _detail(step), target, _stage(step), part))
        flowing = reads_items(step)
        for place, need in enumerate(step.needs):
            flows = place < len(flowing)
            arrows.append(Arrow(need, step.name, "items" if flows else "value"))
        arrows.extend(
            # Who reads a value waits for it anyhow.
            Arrow(before, step.name, "control")
            for before in dict.fromkeys(step.after)
            if before not in step.needs
        )
    return Drawing(shown(name), tuple(boxes), tuple(arrows))


def _parts(steps: Mapping[str, Step]) -> dict[str, str]:
    """The included graph that a node is a part of: ``inner`` is what came of all ``inner/…``."""
    parts: dict[str, str] = {}
    for name in steps:
        for around in _around(name):
            if isinstance(steps.get(around), Pack):
                # What is inside comes first: the value of a part is in its own frame.
                parts.setdefault(name, around)
                parts.setdefault(around, around)
                break
    return parts


def _stage(step: Step) -> str:
    stage = _stage_of(step)
    return "" if stage is None else shown(stage.name)


def _stage_of(step: Step) -> Stage[..., Any] | None:
    """The stage whose name a node takes."""
    return next(iter(stages_of(step)), None)


def _label(step: Step, name: str) -> str:
    """The name of a node, with its stage if that is called otherwise."""
    stage = _stage_of(step)
    # "load-2" is "load" made unique; "load-all" is a name of its own.
    if stage is None or re.fullmatch(re.escape(stage.name) + r"(-\d+)?", name):
        return step.name
    return f"{step.name}: {stage.name}"


def _detail(step: Step) -> str:
    if isinstance(step, Source):
        if step.items is None:
            return ""
        return "1 item" if len(step.items) == 1 else f"{len(step.items)} items"
    stage = _stage_of(step)
    if stage is None:
        return ""
    said = []
    if stage.retry is not None:
        said.append(f"retry {stage.retry.retries}")
    if stage.timeout is not None:
        said.append(f"timeout {stage.timeout:g} s")
    if stage.sequential:
        said.append("sequential")
    for option, unit in _OPTIONS.items():
        if (value := getattr(stage, option)) is not None:
            said.append(f"{option.replace('_', ' ')} {value:g}{unit}")
    return ", ".join(said)
