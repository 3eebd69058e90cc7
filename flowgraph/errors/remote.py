"""An exception of another process."""

from __future__ import annotations

from flowgraph.errors.root import FlowgraphError

__all__ = ["RemoteError"]


class RemoteError(FlowgraphError):
    """Stands in for an exception that could not be pickled.

    Attributes
    ----------
    type_name : str
        Class of the original, with its module.
    text : str
        ``str()`` of the original.
    traceback_text : str
        The traceback of the original, as Python prints it.
    """

    def __init__(self, type_name: str, text: str, traceback_text: str) -> None:
        super().__init__(f"{type_name}: {text}" if text else type_name)
        self.type_name = type_name
        self.text = text
        self.traceback_text = traceback_text

    @classmethod
    def unreadable(cls, task: str, error: BaseException) -> RemoteError:
        """A result that came back, but cannot be unpickled in this process."""
        text = f"the result of {task} arrived, but unpickling it failed: {error}"
        return cls(type(error).__qualname__, text, "")

    def __reduce__(self) -> tuple[type[RemoteError], tuple[str, str, str]]:
        return type(self), (self.type_name, self.text, self.traceback_text)
