"""Results as Markdown, and where they are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.contest import Figure
from benchmarks.goals import GOALS
from benchmarks.workload import Results, Workload

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns after the first two are numbers."""
    line = ["---" if k < 2 else "---:" for k in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, line, *rows))


def short(number: float) -> str:
    """A number with as many digits as it deserves."""
    if number == math.inf:
        return "not reached"
    return f"{number:,.0f}".replace(",", " ") if number >= 100 else f"{number:.3g}"


def workload_table(workload: Workload, figures: list[Figure]) -> str:
    """A row for each contender, by the place where it runs."""
    head = ("contender", "on", "n", f"µs a{'n' * (workload.unit[0] in 'aeiou')} {workload.unit}",
            "least-most", "turns", "× plain Python", "× flowgraph")  # fmt: skip
    rows = [_row(figure, figures) for figure in figures]
    return f"### {workload.key}: {workload.title}\n\n{table(head, rows)}\n"


def _row(figure: Figure, figures: list[Figure]) -> tuple[str, ...]:
    contender = figure.contender
    name, n = contender.name, short(contender.n)
    if not figure.seconds:
        return (name, contender.where, n, f"skipped: {contender.skipped}", "", "", "", "")
    each = [seconds / contender.n * 1e6 for seconds in (min(figure.seconds), max(figure.seconds))]
    plain = _like(figure, "plain", "", figures)
    flow = _like(figure, "flowgraph", contender.where, figures)
    return (
        name,
        contender.where,
        n,
        short(figure.each),
        "-".join(map(short, each)),
        str(len(figure.seconds)),
        short(figure.over(plain)) if plain else "",
        short(figure.over(flow)) if flow else "",
    )


def _like(figure: Figure, start: str, where: str, figures: list[Figure]) -> Figure | None:
    """What a figure is compared with: of its group, of its size if there is one, else the largest.

    Of several such the first one.
    """
    own = figure.contender
    found = [
        other
        for other in figures
        if other.contender.name.startswith(start)
        and (other.contender.where, other.contender.group) == (where, own.group)
        and other.seconds
    ]
    same = [other for other in found if other.contender.n == own.n]
    return max(same or found, key=lambda other: other.contender.n, default=None)


def metg_table(metg: dict[tuple[str, str, str], float]) -> str:
    """METG(50 %) of all who were measured."""
    rows = [
        (pattern, f"{name}, {where}", short(microseconds))
        for (pattern, name, where), microseconds in metg.items()
    ]
    head = ("pattern", "run by", "METG(50 %), µs")
    return f"### W8: the shortest task that keeps half of the machine busy\n\n{table(head, rows)}\n"


def goals_table(results: Results) -> str:
    """Each goal, and whether it is met; those that were not measured are left out."""
    verdicts = [(goal, goal.verdict(results)) for goal in GOALS]
    rows = [
        (goal.key, goal.text, bound, found, said)
        for goal, (bound, found, said) in verdicts
        if found
    ]
    met = sum(row[-1] == "met" for row in rows)
    head = ("goal", "what", "bound", "measured", "")
    return f"### Goals: {met} of {len(rows)} met\n\n{table(head, rows)}\n"


def page(results: Results, workloads: Iterable[Workload], said: str) -> str:
    """All tables, beneath a line of facts."""
    parts = [f"{said}\n"]
    parts += [
        workload_table(workload, results.figures[workload.key])
        for workload in workloads
        if results.figures.get(workload.key)
    ]
    if results.metg:
        parts.append(metg_table(results.metg))
    parts.append(goals_table(results))
    return "\n".join(parts)


def write(text: str, name: str = "benchmarks", path: Path = PAGE) -> None:
    """Put text between the markers of this name on a page; what stood there is gone."""
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{path} has no markers {start} and {end}")
    path.write_text(f"{before}{start}\n\n{text}\n{end}{after}", encoding="utf-8")
