"""An exception of another process."""

from __future__ import annotations

from typing import Any

from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import safe_str

__all__ = ["RemoteError"]


class RemoteError(FlowgraphError):
    """Stands in for an exception that could not go from one process to another.

    The mend is to give the exception's class a ``__reduce__``, or to call
    ``super().__init__`` with all that its ``__init__`` takes.

    Attributes
    ----------
    type_name : str
        Class of the original, with its module.
    text : str
        ``str()`` of the original.
    traceback_text : str
        The traceback of the original, as Python prints it.
    reason : str
        Why the original could not come; empty if that is not known.
    """

    def __init__(self, type_name: str, text: str, traceback_text: str, reason: str = "") -> None:
        original = f"{type_name}: {text}" if text else type_name
        why = f" (the exception itself could not be sent: {reason})" if reason else ""
        super().__init__(original + why)
        self.type_name = type_name
        self.text = text
        self.traceback_text = traceback_text
        self.reason = reason

    @classmethod
    def unreadable(cls, task: str, error: BaseException) -> RemoteError:
        """A result that came back, but cannot be unpickled in this process."""
        text = f"the result of {task} arrived, but unpickling it failed: {safe_str(error)}"
        return cls(type(error).__qualname__, text, "")

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.type_name, self.text, self.traceback_text, self.reason)
        return type(self), parts, vars(self)  # with its notes
