"""A run's account as JSON, and back: loading it runs no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flowgraph.compiler.plan import NodeInfo
from flowgraph.errors import GraphError, RemoteError
from flowgraph.results.account import Account, TaskInfo
from flowgraph.runtime.failure import Failure, text_of
from flowgraph.runtime.report import Bundle, Lost, pack_rows, rows

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["load", "save"]

_FORMAT: Final = "flowgraph run"
_VERSION: Final = 1


def save(account: Account, path: str | PathLike[str]) -> None:
    """Write an account into a file.

    Raises
    ------
    GraphError
        If the file cannot be written.
    """
    text = json.dumps(_as_json(account), ensure_ascii=False, separators=(",", ":"))
    try:
        with open(path, "w", encoding="utf-8") as file:
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
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
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
        "worker": bundle.worker,
        "started": bundle.started,
        "ended": bundle.ended,
        "records": [list(row) for row in rows(bundle.rows)],
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
    account = Account(
        name=data["name"],
        nodes=tuple(
            NodeInfo(node["name"], node["stage"], node["owed"], node["kind"], tuple(node["needs"]))
            for node in data["nodes"]
        ),
        tasks=tuple(
            TaskInfo((task["key"][0], task["key"][1]), task["node"], tuple(task["needs"]))
            for task in data["tasks"]
        ),
        targets=tuple(data["targets"]),
        started=float(data["started"]),
        workers=int(data["workers"]),
        wall=float(data["wall"]),
    )
    for report in data["reports"]:
        account.tasks[report["task"]]  # noqa: B018  it must be there
        account.add(
            Bundle(
                report["task"],
                report["worker"],
                report["started"],
                report["ended"],
                pack_rows(report["records"]),
                tuple(map(_failure_of, report["failures"])),
                tuple(map(_lost_of, report["lost"])),
            )
        )
    return account


def _failure_of(data: dict[str, Any]) -> Failure:
    errors = (
        RemoteError(error["type"], error["text"], error["traceback"]) for error in data["errors"]
    )
    return Failure(
        data["stage"],
        data["name"],
        _index_of(data["index"]),
        data["attempts"],
        data["worker"],
        tuple(errors),
    )


def _lost_of(data: dict[str, Any]) -> Lost:
    return Lost(data["node"], _index_of(data["call"]), _failure_of(data), data["partial"])


def _index_of(data: Any) -> Any:
    """A position: JSON has lists for tuples."""
    return tuple(data) if isinstance(data, list) else data
