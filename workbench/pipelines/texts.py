"""What may be given as texts: one, a pair, or many of them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import InputError

Text = str | tuple[str, str]
"""A text, or two that belong together."""


def checked(texts: Any, *, pairs: bool = True) -> tuple[list[Text], bool]:
    """Return what was given as a list of texts, and whether it was one only.

    Parameters
    ----------
    texts
        A text, a pair of texts as a tuple, or a list or other iterable of them.
    pairs
        Whether the task takes pairs.

    Raises
    ------
    workbench.errors.InputError
        If it is something else, or empty.
    """
    if isinstance(texts, str):
        return [texts], True
    wanted = "a str, or a list of them" + ("; two texts that belong together are a tuple" if pairs else "")
    if _is_pair(texts):
        if not pairs:
            raise InputError(f"Got a tuple of two texts, and this task takes no pairs. Give {wanted}.")
        return [texts], True
    if isinstance(texts, bytes | bytearray | Mapping) or not hasattr(texts, "__iter__"):
        raise InputError(f"Got {_kind(texts)} as a text. Give {wanted}.")
    listed = list(texts)
    if not listed:
        raise InputError(f"Got an empty {type(texts).__name__}. Give {wanted}, at least one.")
    for place, text in enumerate(listed):
        if isinstance(text, str):
            continue
        if pairs and isinstance(text, tuple | list) and _is_pair(tuple(text)):
            listed[place] = tuple(text)
            continue
        raise InputError(f"Text {place} of {len(listed)} is {_kind(text)}. Give {wanted}.")
    return listed, False


def checked_top_k(top_k: Any) -> int | None:
    """Return how many answers are wanted; None for the best one alone."""
    return None if top_k is None else whole_number("top_k", top_k, 1, ", or None for the best one alone")


def whole_number(name: str, value: Any, least: int, more: str = "") -> int:
    """Return an argument that counts something, NumPy's integers as Python's."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < least:
        raise InputError(f"{name} must be a whole number of at least {least}{more}; got {value!r}.")
    return operator.index(value)


def _is_pair(texts: Any) -> bool:
    return isinstance(texts, tuple) and len(texts) == 2 and isinstance(texts[0], str) and isinstance(texts[1], str)


def _kind(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return "bytes, which must be decoded first,"
    return "None" if value is None else type(value).__name__


def which(texts: Sequence[Text], place: int) -> str:
    """Return how a message calls a text."""
    return "The text" if len(texts) == 1 else f"Text {place} of {len(texts)}"


def shown(text: Text) -> str:
    """Return the beginning of a text, for a message."""
    return ascii(text) if len(str(text)) < 60 else f"{ascii(text)[:56]}..."
