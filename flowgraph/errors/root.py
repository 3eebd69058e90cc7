"""The root of all errors."""

from __future__ import annotations

from typing import Any

from flowgraph.errors.wording import safe_str, said

__all__ = ["FlowgraphError"]


class FlowgraphError(Exception):
    """The root of all errors that flowgraph raises on purpose."""

    run: Any = None
    """The run that ended with this error, with what was finished; else None."""

    @classmethod
    def not_drawn(cls, reason: str) -> FlowgraphError:
        """The layout engine failed or is missing."""
        return cls(
            f"the picture could not be drawn: {reason}\n"
            "Install Graphviz, or: pip install 'pygraphviz>=2'. "
            "The formats dot, mermaid and text need neither."
        )

    @classmethod
    def slow_picture(cls, seconds: float) -> FlowgraphError:
        """The layout engine takes too long."""
        return cls(
            f"the picture could not be drawn: its layout took longer than {seconds:g} s.\n"
            "The formats dot, mermaid and text need no layout."
        )

    @classmethod
    def unreadable(cls, name: str, error: BaseException) -> FlowgraphError:
        """A value arrived that cannot be unpickled."""
        return cls(
            f"the value of '{name}' cannot be unpickled here "
            f"({said(error)}).\n"
            "Return something whose class can be pickled and unpickled."
        )

    @classmethod
    def loaded_without_values(cls, name: str) -> FlowgraphError:
        """A value of a run that was loaded from a file."""
        return cls(
            f"the value of '{name}' is not here: a saved run has records and errors, no values.\n"
            "Run the graph again for its values."
        )

    @classmethod
    def not_json(cls, error: BaseException) -> FlowgraphError:
        """A value was asked for as JSON, but is none."""
        return cls(
            f"the value cannot be written as JSON: {safe_str(error)}.\n"
            "Return lists, dicts with text keys, text, numbers, true, false and None, "
            "or leave --json out."
        )

    @classmethod
    def no_standard_output(cls, reason: str) -> FlowgraphError:
        """There is nowhere to print to."""
        return cls(f"standard output cannot be written: {reason}")

    @classmethod
    def no_repr(cls, error: BaseException) -> FlowgraphError:
        """A value cannot be shown."""
        return cls(f"the run is done, but its value cannot be shown: {said(error)}")
