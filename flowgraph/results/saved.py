"""A run's account as JSON, and back: loading it runs no code."""

from __future__ import annotations

import json
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from flowgraph.compiler.nodes import NodeInfo
from flowgraph.errors import GraphError, RemoteError
from flowgraph.results.account import Account, TaskInfo
from flowgraph.results.stats import OUTCOMES
from flowgraph.runtime.failure import Failure, text_of
from flowgraph.runtime.report import Bundle, Lost, pack_rows

if TYPE_CHECKING:
    from os import PathLike

    from flowgraph.runtime.positions import Index

__all__ = ["load", "save"]

_FORMAT: Final = "flowgraph run"
_VERSION: Final = 1
_COUNTS: Final = range(1, sys.maxsize)
_OUTCOMES: Final = range(len(OUTCOMES))
_DAMAGED: Final = (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error)


def save(account: Account, path: str | PathLike[str]) -> None:
    """Write an account into a file.

    Raises
    ------
    GraphError
        If the file cannot be written.
    """
    # ASCII: names and error texts may have surrogates, as names of files do, which are no UTF-8.
    text = json.dumps(_as_json(account), separators=(",", ":"))
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise GraphError.cannot_write(str(path), error) from error


def load(path: str | PathLike[str]) -> Account:
    """The account in a file.

    Raises
    ------
    GraphError
        If it cannot be read, or has no account of a run.
    """
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise GraphError.cannot_read(str(path), error) from error
    except (ValueError, RecursionError):
        raise GraphError.not_a_run(str(path), "it is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise GraphError.not_a_run(str(path), "it is something else")
    if data.get("version") != _VERSION:
        raise GraphError.not_a_run(str(path), f"its version is {data.get('version')!r}")
    try:
        return _of_json(data)
    except _DAMAGED as error:
        raise GraphError.not_a_run(str(path), f"it is damaged ({error!r})") from None


def _as_json(account: Account) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "name": account.name,
        "targets": list(account.targets),
        "started": account.started,
        "wall": account.wall,
        "workers": account.workers,
        "nodes": [
            {
                "name": info.name,
                "stage": info.stage,
                "owed": info.owed,
                "kind": info.kind,
                "needs": list(info.needs),
            }
            for info in account.nodes
        ],
        "tasks": [
            {"key": list(task.key), "node": task.node, "needs": list(task.needs)}
            for task in account.tasks
        ],
        "reports": [_report(bundle) for bundle in account.bundles.values()],
    }


def _report(bundle: Bundle) -> dict[str, Any]:
    return {
        "task": bundle.task,
        "part": bundle.part,
        "worker": bundle.worker,
        "started": bundle.started,
        "ended": bundle.ended,
        "records": [list(row) for row in bundle.records()],
        "failures": [_failure(failure) for failure in bundle.failures],
        "lost": [
            {
                "node": lost.node,
                "call": lost.call,
                "partial": lost.partial,
                **_failure(lost.failure),
            }
            for lost in bundle.lost
        ],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "stage": failure.stage,
        "name": failure.node,
        "index": failure.index,
        "attempts": failure.attempts,
        "worker": failure.worker,
        "errors": [dict(zip(_ERROR, text_of(error), strict=True)) for error in failure.errors],
    }


_ERROR: Final = ("type", "text", "traceback")


def _of_json(data: dict[str, Any]) -> Account:
    nodes, tasks = range(len(data["nodes"])), range(len(data["tasks"]))
    account = Account(
        name=_text(data["name"]),
        nodes=tuple(map(_node_of, data["nodes"])),
        tasks=tuple(
            TaskInfo(
                (_text(task["key"][0]), _text(task["key"][1])),
                _one_of(nodes, task["node"]),
                tuple(_one_of(tasks, need) for need in task["needs"]),
            )
            for task in data["tasks"]
        ),
        targets=tuple(map(_text, data["targets"])),
        started=float(data["started"]),
        workers=_one_of(_COUNTS, data["workers"]),
        wall=float(data["wall"]),
    )
    for report in data["reports"]:
        for record in report["records"]:
            _one_of(nodes, record[0])
            _one_of(_OUTCOMES, record[5])
        account.add(
            Bundle(
                _one_of(tasks, report["task"]),
                _text(report["worker"]),
                float(report["started"]),
                float(report["ended"]),
                pack_rows(report["records"]),
                tuple(map(_failure_of, report["failures"])),
                tuple(_lost_of(lost, nodes) for lost in report["lost"]),
                _one_of(range(sys.maxsize), report.get("part", 0)),
            )
        )
    return account


def _node_of(data: dict[str, Any]) -> NodeInfo:
    stage, owed = data["stage"], data["owed"]
    return NodeInfo(
        _text(data["name"]),
        None if stage is None else _text(stage),
        None if owed is None else int(owed),
        _text(data["kind"]),
        tuple(map(_text, data["needs"])),
    )


def _failure_of(data: dict[str, Any]) -> Failure:
    errors = (RemoteError(*(_text(error[part]) for part in _ERROR)) for error in data["errors"])
    return Failure(
        _text(data["stage"]),
        _text(data["name"]),
        _index_of(data["index"]),
        int(data["attempts"]),
        _text(data["worker"]),
        tuple(errors),
    )


def _lost_of(data: dict[str, Any], nodes: range) -> Lost:
    node, partial = _one_of(nodes, data["node"]), bool(data["partial"])
    return Lost(node, _index_of(data["call"]), _failure_of(data), partial)


def _index_of(data: Any) -> Index | None:
    """A position: JSON has lists for tuples."""
    if isinstance(data, list):
        return tuple(map(int, data))
    return None if data is None else int(data)


def _text(data: Any) -> str:
    if not isinstance(data, str):
        raise TypeError(f"{data!r:.40} is no text")
    return data


def _one_of(numbers: range, data: Any) -> int:
    """A number that must be one of these."""
    if type(data) is not int or data not in numbers:
        raise ValueError(f"{data!r:.40} is none of {len(numbers)}")
    return data
