"""What a worker executes: standard library only, nothing of Dask or the compiler.

``call``, ``retry`` and ``cuts`` are plain data, and ``positions`` say where an
item stands in its source; ``code`` holds the user's functions, and ``pickling``
says how they and their values are packed.  ``calm`` keeps the garbage collector
away where very many objects are made.

``scope`` collects what happens in a task.  ``attempt`` makes one call with its
retries, ``watch`` keeps its time limit and ``pace`` the time between two calls.
``flow`` takes a ``partition`` through a chain: each ``link`` calls a stage on
blocks, a ``free`` one calls none, and a ``single`` item leaves its block; what
it finds out of the items is its ``gait``, and the ``lookout`` ends blocks whose
items turn slow.
``coroutines`` does the same for coroutine stages, on the process's event
``loop``.  ``sink`` takes what comes out, ``keyed`` by its key.

A ``region`` is made in stints: the ``handover`` is what one reads and makes,
and the ``lookout`` gives back what is ``unbegun``.

``work`` is what all kinds of Dask task have in common: ``calls``, ``chain``,
``merge``, ``light`` and ``arrange`` have a class for each kind, ``heads`` make
the partitions that they start from, and ``outcome`` is what each gives back: a
value, or a ``failure``.

``child`` is the loop of a worker process, which has its ``setting`` from its
parent and speaks with it by ``wire``.
"""
