"""A scheduler, or worker processes, that do not answer."""

from __future__ import annotations

from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import safe_str, shown

__all__ = ["SchedulerError"]


class SchedulerError(FlowgraphError):
    """A scheduler does not answer, or its workers went away."""

    @classmethod
    def no_answer(cls, address: str, error: BaseException) -> SchedulerError:
        """Nobody listens at an address."""
        return cls(
            f"no Dask scheduler answers at {address} ({type(error).__name__}).\n"
            "Start one with 'dask scheduler', or check the address."
        )

    @classmethod
    def no_workers(cls, address: str) -> SchedulerError:
        """A scheduler has nobody to do the work."""
        return cls(
            f"the Dask scheduler at {address} has no workers.\nStart one: dask worker {address}"
        )

    @classmethod
    def lost_workers(cls, address: str, seconds: float) -> SchedulerError:
        """A scheduler had nobody to do the work for too long."""
        return cls(
            f"the Dask scheduler at {address} has had no workers for {seconds:.0f} s.\n"
            f"Start one: dask worker {address}"
        )

    @classmethod
    def closed_client(cls) -> SchedulerError:
        """A user's client is not connected any more."""
        return cls(
            "the Dask client is closed.\n"
            "Give the run a client that is open, or the scheduler's address."
        )

    @classmethod
    def bad_address(cls, address: str, error: BaseException) -> SchedulerError:
        """What is given as an address is none."""
        return cls(
            f"'{shown(address)}' is no address of a Dask scheduler ({safe_str(error)}).\n"
            "'dask scheduler' prints its own, such as tcp://127.0.0.1:8786."
        )

    @classmethod
    def went_away(cls, address: str) -> SchedulerError:
        """The scheduler stopped or dropped the tasks."""
        return cls(f"the Dask scheduler at {address} went away, or dropped the run's tasks.")

    @classmethod
    def stopped(cls, graph: str) -> SchedulerError:
        """The run was stopped from outside."""
        return cls(f"the run of graph '{graph}' was stopped.")

    @classmethod
    def no_worker(cls, reason: str) -> SchedulerError:
        """A worker process could not be started."""
        return cls(
            f"a worker process could not be started: {reason}.\n"
            "What it printed itself is on standard error; "
            'scheduler="threads" needs no processes.'
        )

    @classmethod
    def no_processes(cls, platform: str) -> SchedulerError:
        """This system cannot start worker processes as flowgraph needs them."""
        return cls(
            f'scheduler="processes" does not work on {platform}: it needs a POSIX system.\n'
            'Use scheduler="threads", or "distributed" for several processes.'
        )
