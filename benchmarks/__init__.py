"""Flowgraph side by side with plain Python, hand-written Dask and other ways to run functions."""
