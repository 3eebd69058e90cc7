"""Names of Dask tasks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flowgraph.compiler.plan import Key

__all__ = ["keys_of"]


def keys_of(prefixes: Sequence[str], token: str) -> list[Key]:
    """A key for each task, counting down within each prefix.

    Dask starts independent tasks in descending order of their keys, compared as
    text: so the first of a prefix starts first.

    Parameters
    ----------
    prefixes : sequence of str
        What Dask's dashboard shows for each task.
    token : str
        What makes the keys of this plan its own.

    Examples
    --------
    >>> keys_of(["load", "load", "sum"], "1a")
    [('load-1a', '1'), ('load-1a', '0'), ('sum-1a', '0')]
    """
    if len(prefixes) == 1:
        return [(f"{prefixes[0]}-{token}", "0")]
    left = Counter(prefixes)
    names = {prefix: f"{prefix}-{token}" for prefix in left}
    numbers = {prefix: _downwards(total) for prefix, total in left.items()}
    return [(names[prefix], next(numbers[prefix])) for prefix in prefixes]


def _downwards(total: int) -> Iterator[str]:
    width = len(str(total - 1))
    return (str(number).zfill(width) for number in range(total - 1, -1, -1))
