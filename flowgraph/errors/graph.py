"""A graph that was declared or used wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowgraph.errors.root import FlowgraphError
from flowgraph.errors.wording import quoted, safe_repr, several

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GraphError"]


class GraphError(FlowgraphError):
    """A graph was declared or used wrongly; raised where the mistake is made."""

    @classmethod
    def unknown_suffix(cls, path: str, known: Sequence[str]) -> GraphError:
        """A file name asks for no format that is known."""
        return cls(
            f"the suffix of '{path}' names no format of pictures; known are {', '.join(known)}."
        )

    @classmethod
    def other_suffix(cls, path: str, wanted: str) -> GraphError:
        """A file's name and the format asked for contradict each other."""
        return cls(
            f"the suffix of '{path}' does not fit the format {wanted}.\n"
            "Give the file another suffix, or leave the format out: the suffix sets it."
        )

    @classmethod
    def bad_option(cls, option: str, value: object, wanted: str) -> GraphError:
        """An option's value is out of its range."""
        return cls(f"{option}={safe_repr(value)} is not possible: it takes {wanted}.")

    @classmethod
    def unknown_options(cls, unknown: Sequence[str], known: Sequence[str]) -> GraphError:
        """A stage has no such option."""
        return cls(f"a stage has no {several('option', unknown)}; its options are {quoted(known)}.")

    @classmethod
    def not_callable(cls, thing: object) -> GraphError:
        """What was given as a stage cannot be called."""
        return cls(f"{safe_repr(thing)} is not a function, so it cannot be a stage.")

    @classmethod
    def coroutine_as(cls, name: str, role: str) -> GraphError:
        """A coroutine function where many calls are made at a time."""
        return cls(
            f"'{name}' is a coroutine function, which cannot be a {role}.\n"
            "Await it in a stage before: items.map(…)."
        )

    @classmethod
    def async_generator(cls, name: str) -> GraphError:
        """Asynchronous generators are no stages."""
        return cls(
            f"'{name}' is an asynchronous generator, which cannot be a stage.\n"
            "Return a list from a coroutine function."
        )

    @classmethod
    def wrong_arguments(
        cls, stage: str, signature: object, reason: str, gets: str | None
    ) -> GraphError:
        """Arguments do not fit the function; ``gets`` says what it is called with."""
        mend = (
            f"Give it the arguments of its signature: {stage}{signature}."
            if gets is None
            else f"It gets {gets}: make that fit its signature, {stage}{signature}."
        )
        return cls(f"the arguments given to stage '{stage}' do not fit: {reason}.\n{mend}")

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
        return cls(f"graph '{graph}' has no node {safe_repr(name)}.\n{mend}")

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
        told = f"{safe_repr(thing)} is not a node: use what g.task, g.items or g.param gave"
        return cls(f"{told}, or g[name]." if isinstance(thing, str) else f"{told}.")

    @classmethod
    def not_iterable(cls, thing: object) -> GraphError:
        """What was given to `items` has no items."""
        return cls(
            f"g.items({safe_repr(thing)}): "
            f"an object of type {type(thing).__name__} cannot be iterated.\n"
            "Give it an iterable, or a node whose value is one."
        )

    @classmethod
    def no_stages(cls) -> GraphError:
        """A pipeline has nothing to do."""
        return cls("a pipeline needs at least one stage: items.pipeline(first, second, …).")

    @classmethod
    def not_a_digraph(cls, thing: object) -> GraphError:
        """What should be a directed graph of NetworkX is something else."""
        return cls(
            f"{safe_repr(thing)} is not a networkx.DiGraph: edges need a direction, "
            "and there is one at most from a node to another."
        )

    @classmethod
    def cycle(cls, graph: str, nodes: Sequence[str]) -> GraphError:
        """Nodes need one another in a circle."""
        return cls(
            f"graph '{graph}' has a cycle: {' → '.join((*nodes, nodes[0]))}.\n"
            "Take one of its edges out."
        )

    @classmethod
    def no_stage_of_node(cls, node: str, stage: object) -> GraphError:
        """A node of a directed graph has nothing to call."""
        told = "no attribute 'stage'" if stage is None else f"stage={safe_repr(stage)}"
        return cls(
            f"node '{node}' has {told}, which cannot be called.\n"
            f"Give it a function: digraph.add_node({node!r}, stage=function)."
        )

    @classmethod
    def no_others(cls, operation: str) -> GraphError:
        """A collection is to be put together with nothing."""
        return cls(f"items.{operation}(other, …) needs at least one other collection.")

    @classmethod
    def no_branches(cls) -> GraphError:
        """A fork_join has no branches."""
        return cls("fork_join needs at least one branch.")

    @classmethod
    def keys_not_text(cls, branches: object) -> GraphError:
        """Branch names cannot be keyword arguments."""
        return cls(
            "join(**results) needs branch names that are text; "
            f"these are {safe_repr(list(branches))}.\n"  # type: ignore[call-overload]
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
        python = ", ".join(f"'{name}': …" for name in names)
        shell = " ".join(f"--param {name}=…" for name in names)
        needs, it = ("a value for", "it") if len(names) == 1 else ("values for the", "them")
        return cls(
            f"graph '{graph}' needs {needs} {several('parameter', names)}.\n"
            f"Give {it}: g.run(params={{{python}}}), or {shell} on the command line."
        )

    @classmethod
    def parameters_left_out(cls, graph: str, names: Sequence[str]) -> GraphError:
        """A graph is included without a value that it requires."""
        example = ", ".join(f"{name}=…" for name in names)
        return cls(
            f"graph '{graph}' is included without a value for {quoted(names)}.\n"
            f"Give it: g.include(graph, {example})."
        )

    @classmethod
    def includes_no_graph(cls, thing: object) -> GraphError:
        """Something else stands where a graph is wanted."""
        return cls(f"{safe_repr(thing)} is not a Graph, so it cannot be included.")

    @classmethod
    def includes_itself(cls, graph: str) -> GraphError:
        """A graph cannot be a part of itself."""
        return cls(f"graph '{graph}' cannot include itself; include another one.")

    @classmethod
    def waits_for_itself(cls, graph: str) -> GraphError:
        """A coroutine of a stage runs a graph whose coroutines need the same event loop."""
        return cls(
            f"graph '{graph}' has coroutine stages, and a coroutine stage runs it: "
            "both need the event loop, so neither would ever end.\n"
            "Await it in a thread: await asyncio.to_thread(graph.run, …)."
        )

    @classmethod
    def unknown_parameters(
        cls, graph: str, names: Sequence[str], known: Sequence[str]
    ) -> GraphError:
        """A parameter that the graph does not have."""
        has = f"it has {several('parameter', known)}" if known else "it has none"
        return cls(f"graph '{graph}' has no {several('parameter', names)}; {has}.")

    @classmethod
    def unknown_scheduler(cls, scheduler: object, names: Sequence[str]) -> GraphError:
        """No such scheduler."""
        return cls(
            f"there is no scheduler {safe_repr(scheduler)}: take {quoted(names)}, "
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
    def cannot_run(cls, graph: str, findings: Sequence[str]) -> GraphError:
        """A check found what would make a run fail."""
        return cls("\n".join((f"graph '{graph}' cannot run there:", *findings)))

    @classmethod
    def not_a_run(cls, path: str, reason: str) -> GraphError:
        """A file should be a saved run."""
        return cls(f"'{path}' is not a saved run: {reason}.\nrun.save(path) writes one.")

    @classmethod
    def cannot_read(cls, path: str, error: OSError) -> GraphError:
        """A file cannot be read."""
        return cls(f"'{path}' cannot be read: {error.strerror or error}")

    @classmethod
    def cannot_write(cls, path: str, error: OSError) -> GraphError:
        """A file cannot be written."""
        return cls(f"'{path}' cannot be written: {error.strerror or error}")
