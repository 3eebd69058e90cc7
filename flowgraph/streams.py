"""The standard streams of a command: what was asked for, and everything else."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO

import click

from flowgraph.errors import FlowgraphError

__all__ = ["reserve", "say", "tell"]


def reserve() -> None:
    """Where a standard stream is closed, let no other file get its number."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_WRONLY)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  to the end


def say(message: str | bytes) -> None:
    """Write to standard output; a text as a line.

    Raises
    ------
    FlowgraphError
        If that cannot be: the disk is full, the stream is closed.
    BrokenPipeError
        If who was reading has gone.
    """
    if sys.stdout is None:
        raise FlowgraphError.no_standard_output("it is closed")
    try:
        click.echo(message, nl=isinstance(message, str))
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up(sys.stdout)
        raise FlowgraphError.no_standard_output(error.strerror or str(error)) from error


def tell(message: str, nl: bool = True) -> None:
    """Write to standard error; where that cannot be, there is nobody to tell."""
    try:
        click.echo(message, nl=nl, err=True)
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: IO[str]) -> None:
    """Drop what is still in the stream: writing it at the exit would fail again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
