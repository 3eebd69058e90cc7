"""What cannot travel to another process."""

from __future__ import annotations

from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import said

__all__ = ["CompileError"]


class CompileError(FlowgraphError):
    """A stage or an argument cannot travel to another process."""

    @classmethod
    def cannot_travel(cls, owner: str, thing: str, error: BaseException) -> CompileError:
        """Something cannot be pickled."""
        return cls(
            f"{owner} cannot travel to another process: {thing} cannot be pickled "
            f"({said(error)}).\n"
            'Make it inside the stage, or use scheduler="threads".'
        )

    @classmethod
    def no_main_guard(cls) -> CompileError:
        """A script would run itself again in each worker."""
        return cls(
            'scheduler="distributed" starts worker processes that import this script again, '
            "and it would start them again.\n"
            'Put the call under: if __name__ == "__main__":'
        )
