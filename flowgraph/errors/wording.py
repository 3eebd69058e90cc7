"""What messages have in common: names on one line, values and errors that cannot break them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Mend",
    "mends",
    "notes_of",
    "quoted",
    "safe_repr",
    "safe_str",
    "said",
    "several",
    "shown",
    "tell_not_iterable",
]


class Mend(str):
    """A note on an exception that belongs into the message: what to do about it."""

    __slots__ = ()


def tell_not_iterable(error: BaseException, value: object, who: str, mend: str) -> None:
    """If an error came of a value that cannot be iterated, note whose it was, and the mend.

    Examples
    --------
    >>> error = TypeError("'int' object is not iterable")
    >>> tell_not_iterable(error, 5, "'load' gave", "return a list")
    >>> mends(error)
    ["'load' gave a value of type int, which has no items: return a list."]
    """
    if not isinstance(error, TypeError):
        return
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        kind = "None" if value is None else f"a value of type {type(value).__name__}"
        error.add_note(Mend(f"{who} {kind}, which has no items: {mend}."))


def mends(error: BaseException) -> list[str]:
    """The notes of an exception that belong into the message.

    Examples
    --------
    >>> error = ValueError("too long")
    >>> error.add_note("seen on Monday")
    >>> error.add_note(Mend("Make it shorter."))
    >>> mends(error)
    ['Make it shorter.']
    """
    return [str(note) for note in notes_of(error) if isinstance(note, Mend)]


def notes_of(error: BaseException) -> tuple[str, ...]:
    """The notes of an exception; Python lets anything be in their place."""
    notes = getattr(error, "__notes__", ())
    if not isinstance(notes, (list, tuple)):
        return ()
    return tuple(note for note in notes if isinstance(note, str))


def quoted(listed: Sequence[str]) -> str:
    """Names in a row, each in quotes."""
    return ", ".join(f"'{name}'" for name in listed)


def several(noun: str, names: Sequence[str]) -> str:
    """A noun, in the plural for more than one, and the names.

    Examples
    --------
    >>> several("option", ["retry"]), several("option", ["retry", "rate"])
    ("option 'retry'", "options 'retry', 'rate'")
    """
    return f"{noun}{'' if len(names) == 1 else 's'} {quoted(names)}"


def said(error: BaseException) -> str:
    """An error's class and text."""
    text = safe_str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def safe_str(thing: object) -> str:
    """``str()`` of something of the user's, which may raise itself."""
    try:
        return str(thing)
    except Exception as failed:
        return f"<str() of it raised {type(failed).__name__}>"


def safe_repr(thing: object) -> str:
    """``repr()`` of something of the user's, which may raise itself.

    Examples
    --------
    >>> class Shy:
    ...     def __repr__(self):
    ...         raise OSError
    >>> safe_repr(Shy())
    '<Shy object whose repr() raised OSError>'
    """
    try:
        return repr(thing)
    except Exception as failed:
        return f"<{type(thing).__name__} object whose repr() raised {type(failed).__name__}>"


def shown(text: str) -> str:
    r"""A text on one line, with what no file can show written as Python writes it.

    Examples
    --------
    >>> print(shown("two\nlines"))
    two\nlines
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
