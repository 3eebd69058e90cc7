"""Names of Dask tasks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    widths = {prefix: len(str(total - 1)) for prefix, total in left.items()}
    keys = []
    for prefix in prefixes:
        left[prefix] -= 1
        keys.append((f"{prefix}-{token}", str(left[prefix]).zfill(widths[prefix])))
    return keys
