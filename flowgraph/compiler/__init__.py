"""From a graph to Dask tasks: a frozen Dag, small pure passes, and `lower`.

``freeze → validate → prune → gather → fuse → partition → tree → limits → lower``
"""
