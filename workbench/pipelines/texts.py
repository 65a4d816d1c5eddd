"""What may be given as texts: one, a pair, or many of them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import InputError

Text = str | tuple[str, str]
"""A text, or two that belong together."""


def checked(texts: Any, *, pairs: bool = True, wanted: str = "") -> tuple[list[Text], bool]:
    """Return what was given as a list of texts, and whether it was one only.

    Parameters
    ----------
    texts
        A text, a pair of texts as a tuple, or a list or other iterable of them.
    pairs
        Whether the task takes pairs.
    wanted
        What may be given, for a message; said by ``pairs`` if empty.

    Raises
    ------
    workbench.errors.InputError
        If it is something else, or empty.
    """
    if isinstance(texts, str):
        return [texts], True
    wanted = wanted or "a str, or a list of them" + ("; two texts that belong together are a tuple" if pairs else "")
    if _is_pair(texts):
        if not pairs:
            raise InputError(f"Got a tuple of two texts, and this task takes no pairs. Give {wanted}.")
        return [texts], True
    found = listed(texts, "text", wanted)
    for place, text in enumerate(found):
        if isinstance(text, str):
            continue
        if pairs and isinstance(text, tuple | list) and _is_pair(tuple(text)):
            found[place] = tuple(text)
            continue
        raise InputError(f"Text {place} of {len(found)} is {kind_of(text)}. Give {wanted}.")
    return found, False


def listed(given: Any, what: str, wanted: str) -> list[Any]:
    """Return what was given as several of something as a list, in the order in which the answers come.

    Parameters
    ----------
    given
        Anything but one of them.
    what, wanted
        What one of them is called, and what may be given, for a message.

    Raises
    ------
    workbench.errors.InputError
        If it cannot be gone through, is empty, or has no order.
    """
    if isinstance(given, set | frozenset):
        raise InputError(f"Got a {type(given).__name__}, which has no order for answers to be in. Give sorted(...).")
    if hasattr(given, "columns"):  # a table, which would be gone through by the names of its columns
        raise InputError(f"Got a {type(given).__name__} as a {what}. Give one of its columns: table['name'].")
    try:
        found = None if isinstance(given, bytes | bytearray | memoryview | Mapping) else list(given)
    except TypeError:  # what is no iterable, or only looks like one, as an array without axes
        found = None
    if found is None:
        raise InputError(f"Got {kind_of(given)} as a {what}. Give {wanted}.")
    if not found:
        raise InputError(f"Got an empty {type(given).__name__}. Give {wanted}, at least one.")
    return found


def checked_top_k(top_k: Any) -> int | None:
    """Return how many answers are wanted; None for the best one alone."""
    return None if top_k is None else whole_number("top_k", top_k, 1, ", or None for the best one alone")


def whole_number(name: str, value: Any, least: int, more: str = "") -> int:
    """Return an argument that counts something, NumPy's integers as Python's."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < least:
        raise InputError(f"{name} must be a whole number of at least {least}{more}; got {value!r}.")
    return operator.index(value)


def yes_or_no(name: str, value: Any) -> bool:
    """Return an argument that is True or False, of NumPy as of Python."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise InputError(f"{name}={value!r} is neither True nor False.")
    return bool(value)


def _is_pair(texts: Any) -> bool:
    return isinstance(texts, tuple) and len(texts) == 2 and isinstance(texts[0], str) and isinstance(texts[1], str)


def kind_of(value: Any) -> str:
    """Return how a message calls what is no text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes, which must be decoded first,"
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return f"{type(value).__name__} without axes (.item() gives what is in it)"
    return "None" if value is None else type(value).__name__


def lone_surrogate(text: str) -> str:
    """Return what is wrong with a text that no encoding takes, as the end of a sentence; nothing if it is right."""
    try:
        text.encode()
    except UnicodeEncodeError as found:
        return (
            f"has {text[found.start]!a} at {found.start}, half of a pair of surrogates, which is no character. Mend "
            "it: text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
        )
    return ""


def which(texts: Sequence[Text], place: int) -> str:
    """Return how a message calls a text."""
    return "The text" if len(texts) == 1 else f"Text {place} of {len(texts)}"


def shown(text: Text) -> str:
    """Return the beginning of a text, for a message."""
    return ascii(text) if len(str(text)) < 60 else f"{ascii(text)[:56]}..."
