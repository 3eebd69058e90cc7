"""What a worker executes: standard library only, nothing of Dask or the compiler.

``call`` and ``retry`` are plain data; ``code`` holds the user's functions;
``scope`` collects what happens; ``attempt``, ``watch``, ``flow`` and ``fold``
call the functions; ``work`` has one class for each kind of Dask task and
``outcome`` is what each gives back.
"""
