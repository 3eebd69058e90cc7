"""Places where a plan can run: the caller's thread, threads, processes, a Dask cluster."""
