"""What messages have in common: lists of names, errors in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["quoted", "said"]


def quoted(listed: Sequence[str]) -> str:
    """Names in a row, each in quotes."""
    return ", ".join(f"'{name}'" for name in listed)


def said(error: BaseException) -> str:
    """An error's class and text."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
