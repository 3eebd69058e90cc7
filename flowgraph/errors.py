"""The tree of errors: what went wrong, where, and the mend.

::

    FlowgraphError
    ├── GraphError            wrong use, raised where it is made
    ├── CompileError          what cannot travel to another process
    ├── SchedulerError        a scheduler that does not answer
    ├── StageError            a stage's final failure; the original is its __cause__
    ├── StageTimeout          an attempt ran out of time; also a TimeoutError
    ├── SkippedError          a value that was never computed, and because of what
    └── RemoteError           stands in for an exception that could not be pickled

Every message has up to three parts: the fact with the user's own names, the
place, and the mend.  This module imports nothing but the standard library: a
worker loads it together with :mod:`flowgraph.runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CompileError",
    "FlowgraphError",
    "GraphError",
    "RemoteError",
    "SchedulerError",
    "SkippedError",
    "StageError",
    "StageTimeout",
]


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
    def unreadable(cls, name: str, error: BaseException) -> FlowgraphError:
        """A value arrived that cannot be unpickled."""
        return cls(
            f"the value of '{name}' cannot be unpickled here "
            f"({type(error).__name__}: {error}).\n"
            "Return something whose class can be pickled and unpickled."
        )

    @classmethod
    def not_json(cls, error: BaseException) -> FlowgraphError:
        """A value was asked for as JSON, but is none."""
        return cls(
            f"the value cannot be written as JSON: {error}.\n"
            "Return lists, dicts with text keys, text, numbers, true, false and None, "
            "or leave --json out."
        )

    @classmethod
    def no_repr(cls, error: BaseException) -> FlowgraphError:
        """A value cannot be shown."""
        return cls(f"the run is done, but its value cannot be shown: {_said(error)}")


class GraphError(FlowgraphError):
    """A graph was declared or used wrongly; raised where the mistake is made."""

    @classmethod
    def unknown_suffix(cls, path: str, known: Sequence[str]) -> GraphError:
        """A file name asks for no format that is known."""
        return cls(
            f"the suffix of '{path}' names no format of pictures; known are {', '.join(known)}."
        )

    @classmethod
    def bad_option(cls, option: str, value: object, wanted: str) -> GraphError:
        """An option's value is out of its range."""
        return cls(f"{option}={value!r} is not possible: it takes {wanted}.")

    @classmethod
    def unknown_options(cls, unknown: Sequence[str], known: Sequence[str]) -> GraphError:
        """A stage has no such option."""
        return cls(f"a stage has no option {_names(unknown)}; its options are {_names(known)}.")

    @classmethod
    def not_callable(cls, thing: object) -> GraphError:
        """What was given as a stage cannot be called."""
        return cls(f"{thing!r} is not a function, so it cannot be a stage.")

    @classmethod
    def coroutine(cls, name: str) -> GraphError:
        """Coroutine functions are no stages yet."""
        return cls(
            f"'{name}' is a coroutine function, which cannot be a stage.\n"
            "Wrap it in a function that calls asyncio.run."
        )

    @classmethod
    def wrong_arguments(cls, stage: str, signature: object, reason: str) -> GraphError:
        """Arguments do not fit the function."""
        return cls(
            f"the arguments given to stage '{stage}' do not fit: {reason}.\n"
            f"Its signature is {stage}{signature}."
        )

    @classmethod
    def hidden_node(cls, container: str) -> GraphError:
        """A node is where it would not be found."""
        return cls(
            f"a node inside a {container} cannot be replaced by its value.\n"
            "Put it into a plain list, tuple or dict (as a value), or pass it as an argument."
        )

    @classmethod
    def endless_argument(cls, container: str) -> GraphError:
        """A container has itself inside."""
        return cls(
            f"an argument has a {container} that contains itself, so it cannot be copied.\n"
            "Pass it inside an object of your own, which is shared as it is."
        )

    @classmethod
    def deep_argument(cls) -> GraphError:
        """Containers in containers, too many."""
        return cls(
            "an argument has too many containers inside one another to be copied.\n"
            "Pass it inside an object of your own, which is shared as it is."
        )

    @classmethod
    def default_is_node(cls, parameter: str, node: str) -> GraphError:
        """A parameter's default would be known only while the graph runs."""
        return cls(
            f"the default of parameter '{parameter}' has node '{node}' inside, "
            "which has no value before the graph runs.\n"
            "Pass the node itself to the stage, or give the parameter a plain default."
        )

    @classmethod
    def no_such_node(cls, name: object, graph: str, known: Sequence[str]) -> GraphError:
        """A node is asked for by a name that the graph does not have."""
        from difflib import get_close_matches  # only a mistake pays for the import

        close = get_close_matches(str(name), known, n=1)
        mend = f"Did you mean '{close[0]}'?" if close else "Its names are in g.nodes."
        return cls(f"graph '{graph}' has no node {name!r}.\n{mend}")

    @classmethod
    def foreign_node(cls, node: str, its_graph: str, graph: str) -> GraphError:
        """A node belongs to another graph."""
        return cls(
            f"node '{node}' belongs to graph '{its_graph}', not to graph '{graph}'.\n"
            "Declare it on the graph that uses it."
        )

    @classmethod
    def not_a_node(cls, thing: object) -> GraphError:
        """Something else stands where a node is wanted."""
        return cls(f"{thing!r} is not a node: use what g.task, g.items or g.param gave.")

    @classmethod
    def not_iterable(cls, thing: object) -> GraphError:
        """What was given to `items` has no items."""
        return cls(
            f"g.items({thing!r}): an object of type {type(thing).__name__} cannot be iterated.\n"
            "Give it an iterable, or a node whose value is one."
        )

    @classmethod
    def no_stages(cls) -> GraphError:
        """A pipeline has nothing to do."""
        return cls("a pipeline needs at least one stage: items.pipeline(first, second, …).")

    @classmethod
    def no_branches(cls) -> GraphError:
        """A fork_join has no branches."""
        return cls("fork_join needs at least one branch.")

    @classmethod
    def keys_not_text(cls, branches: object) -> GraphError:
        """Branch names cannot be keyword arguments."""
        return cls(
            f"join(**results) needs branch names that are text; these are {list(branches)!r}.\n"  # type: ignore[call-overload]
            "Rename the branches, or leave join out and take the dict."
        )

    @classmethod
    def no_output(cls) -> GraphError:
        """`output` was called with nothing."""
        return cls("g.output() needs at least one node.")

    @classmethod
    def name_taken(cls, name: str, graph: str) -> GraphError:
        """Two nodes with one name."""
        return cls(f"graph '{graph}' already has a node '{name}': give this one another name.")

    @classmethod
    def empty(cls, graph: str) -> GraphError:
        """There is nothing to run."""
        return cls(f"graph '{graph}' has no node to run: declare one with g.task or g.items.")

    @classmethod
    def missing_parameters(cls, graph: str, names: Sequence[str]) -> GraphError:
        """A required parameter has no value."""
        example = ", ".join(f"'{name}': …" for name in names)
        return cls(
            f"graph '{graph}' needs a value for parameter {_names(names)}.\n"
            f"Give it: g.run(params={{{example}}}), or --param {names[0]}=… on the command line."
        )

    @classmethod
    def unknown_parameters(
        cls, graph: str, names: Sequence[str], known: Sequence[str]
    ) -> GraphError:
        """A parameter that the graph does not have."""
        has = f"its parameters are {_names(known)}" if known else "it has none"
        return cls(f"graph '{graph}' has no parameter {_names(names)}; {has}.")

    @classmethod
    def unknown_scheduler(cls, scheduler: object, names: Sequence[str]) -> GraphError:
        """No such scheduler."""
        return cls(
            f"there is no scheduler {scheduler!r}: take {_names(names)}, "
            "a distributed.Client, or an address such as 'tcp://127.0.0.1:8786'."
        )

    @classmethod
    def asynchronous_client(cls) -> GraphError:
        """A client that cannot be waited for."""
        return cls(
            "an asynchronous distributed.Client cannot be used: "
            "give the scheduler's address instead, or a Client without asynchronous=True."
        )

    @classmethod
    def running_twice(cls, name: str) -> GraphError:
        """A plan was run a second time."""
        return cls(f"the plan of graph '{name}' has run already; compile the graph again.")

    # What the command line says of a target

    @classmethod
    def not_a_target(cls, text: str) -> GraphError:
        """A target is neither a Python file nor a name in a module."""
        return cls(
            f"'{text}' names no graph: give pipeline.py, pipeline.py:name or package.module:name."
        )

    @classmethod
    def no_target_file(cls, place: str) -> GraphError:
        """A target's file does not exist."""
        return cls(f"there is no file '{place}'.")

    @classmethod
    def no_target_module(cls, name: str) -> GraphError:
        """A target's module does not exist."""
        return cls(
            f"there is no module '{name}', neither in this folder nor installed.\n"
            "For a file give its name with .py."
        )

    @classmethod
    def no_such_graph(cls, place: str, name: str, known: Sequence[str]) -> GraphError:
        """A target's module has no such name."""
        has = f"its graphs are {_names(known)}" if known else "it has no graph"
        return cls(f"{place} has no '{name}'; {has}.")

    @classmethod
    def no_graph(cls, place: str) -> GraphError:
        """A target's file has no graph."""
        return cls(
            f"{place} has no graph.\n"
            "Give it one at its top level, or a function that returns one: "
            "def graph() -> Graph."
        )

    @classmethod
    def several_graphs(cls, place: str, names: Sequence[str]) -> GraphError:
        """A target's file has several graphs, and none was named."""
        return cls(
            f"{place} has several graphs: {_names(names)}.\nName one, as in {place}:{names[0]}"
        )

    @classmethod
    def not_a_graph(cls, place: str, name: str, thing: object) -> GraphError:
        """What a target names is something else."""
        return cls(
            f"'{name}' in {place} is of type {type(thing).__name__}, not a Graph.\n"
            "Name a Graph, or a function without arguments that returns one."
        )

    @classmethod
    def graph_needs_arguments(cls, place: str, name: str, required: Sequence[str]) -> GraphError:
        """A function that makes a graph cannot be called without arguments."""
        return cls(
            f"'{name}' in {place} needs arguments: {_names(required)}.\n"
            "Give them defaults, or make them parameters of the graph: g.param."
        )

    @classmethod
    def target_failed(cls, place: str, line: int | None, error: BaseException) -> GraphError:
        """The user's code raised while it was imported or built."""
        where = place if line is None else f"{place}, line {line}"
        if isinstance(error, FlowgraphError):
            return cls(f"{where}: {error}")
        return cls(f"{where}: {_said(error)}")

    @classmethod
    def syntax_error(cls, place: str, line: int | None, reason: str) -> GraphError:
        """The user's code is not Python."""
        where = place if line is None else f"{place}, line {line}"
        return cls(f"{where} is not Python: {reason}")

    @classmethod
    def target_exited(cls, place: str, line: int | None) -> GraphError:
        """The user's code ended the program while it was imported or built."""
        where = place if line is None else f"{place}, line {line},"
        return cls(
            f"{where} ended the program while it was imported.\n"
            'Put what only a script does under: if __name__ == "__main__":'
        )

    @classmethod
    def not_an_assignment(cls, text: str) -> GraphError:
        """--param without a value."""
        return cls(f"--param {text}: give a name and a value, as in --param folder=photos.")

    @classmethod
    def bad_parameter(cls, name: str, text: str, error: BaseException) -> GraphError:
        """The parameter's type refused the command line's text."""
        return cls(f"parameter '{name}' cannot be made of {text!r}: {_said(error)}")

    @classmethod
    def cannot_write(cls, path: str, error: OSError) -> GraphError:
        """A file cannot be written."""
        return cls(f"'{path}' cannot be written: {error.strerror or error}")


class CompileError(FlowgraphError):
    """A stage or an argument cannot travel to another process."""

    @classmethod
    def cannot_travel(cls, owner: str, thing: str, error: BaseException) -> CompileError:
        """Something cannot be pickled."""
        return cls(
            f"{owner} cannot travel to another process: {thing} cannot be pickled "
            f"({type(error).__name__}: {error}).\n"
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


class StageTimeout(FlowgraphError, TimeoutError):
    """An attempt took longer than its stage's ``timeout``.

    A `TimeoutError`, hence an `OSError`: ``Retry(on=OSError)`` retries it.
    """

    def __init__(self, stage: str, seconds: float) -> None:
        super().__init__(f"stage '{stage}' took longer than its timeout of {seconds:g} s")
        self.stage = stage
        self.seconds = seconds

    def __reduce__(self) -> tuple[type[StageTimeout], tuple[str, float]]:
        return type(self), (self.stage, self.seconds)


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


class StageError(FlowgraphError):
    """A stage failed for good: no retry was left or none applied.

    The last attempt's exception is the ``__cause__``.

    Attributes
    ----------
    stage : str
        Name of the stage.
    index : int, tuple of int, or None
        Position of the item in the collection it was declared from; a tuple
        after a ``flat_map``; None for a single task.
    attempts : int
        Calls made, the first included.
    worker : str
        Where the last attempt ran.
    errors : tuple of BaseException
        One exception per attempt, in order.
    """

    def __init__(
        self,
        stage: str,
        index: int | tuple[int, ...] | None,
        attempts: int,
        worker: str,
        errors: Sequence[BaseException],
    ) -> None:
        self.stage = stage
        self.index = index
        self.attempts = attempts
        self.worker = worker
        self.errors = tuple(errors)
        place = "" if index is None else f" on item {index}"
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        last = f": {self.errors[-1]!r}" if self.errors else ""
        super().__init__(f"stage '{stage}' failed{place} after {times}{last}")
        self.__cause__ = self.errors[-1] if self.errors else None

    def __reduce__(self) -> tuple[type[StageError], tuple[Any, ...]]:
        return type(self), (self.stage, self.index, self.attempts, self.worker, self.errors)


class SkippedError(FlowgraphError):
    """A value was asked for that was never computed: something it needs failed.

    Attributes
    ----------
    node : str
        The node that was skipped.
    because : str
        The node whose failure caused it.
    """

    def __init__(self, node: str, because: str) -> None:
        super().__init__(
            f"node '{node}' was skipped because '{because}' failed.\n"
            f"Look at run['{because}'] or run.errors for the reason."
        )
        self.node = node
        self.because = because

    def __reduce__(self) -> tuple[type[SkippedError], tuple[str, str]]:
        return type(self), (self.node, self.because)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _said(error: BaseException) -> str:
    """An error's class and text."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
