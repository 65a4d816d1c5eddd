"""A text with marked passages, each in the colour of its kind and with its name behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from workbench.views import html, theme

KNOWN = {
    "PER": "#E69F00",
    "PERSON": "#E69F00",
    "LOC": "#009E73",
    "GPE": "#009E73",
    "ORG": "#56B4E9",
    "MISC": "#CC79A7",
    "DATE": "#8C8C8C",
}
"""Kinds that many models have keep their colour from text to text; others take what the text leaves free."""


class Mark(NamedTuple):
    """A passage ``text[start:end]`` and the name that stands behind it, if any."""

    start: int
    end: int
    kind: str = ""


def marked(text: str, marks: Iterable[Mark], *, around: int | None = None) -> str:
    """Return a text with its marks as HTML.

    Parameters
    ----------
    text
        Shown as it is, line ends included.
    marks
        In any order. Those that lie outside of the text or over an earlier mark are left out: see :func:`drawable`.
    around
        How many characters before and behind each mark are kept; all if None.
    """
    drawn = drawable(text, marks)
    colours = colours_of(mark.kind for mark in drawn)
    parts, done = [], 0
    for mark in drawn:
        parts.append(_between(text, done, mark.start, around))
        name = f" <small>{html.escape(mark.kind)}</small>" if mark.kind else ""
        colour = f' style="--fw-kind:{colours[plain_kind(mark.kind)]}"' if mark.kind else ""
        parts.append(f'<mark class="fw-mark"{colour}>{html.escape(text[mark.start : mark.end])}{name}</mark>')
        done = mark.end
    parts.append(_between(text, done, len(text), around))
    return f'<p class="fw-text">{"".join(parts)}</p>'


def drawable(text: str, marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks that can be drawn side by side, in order; of two that overlap the one that begins first.

    Of two that begin together the longer one stays.
    """
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        free = kept[-1].end if kept else 0
        if free <= mark.start < mark.end <= len(text):
            kept.append(mark)
    return kept


def colours_of(kinds: Iterable[str]) -> dict[str, str]:
    """Return a colour for each kind, ``B-`` and ``I-`` taken off.

    >>> colours_of(["B-PER", "I-PER", "DISH"])
    {'PER': '#E69F00', 'DISH': '#009E73'}
    """
    return theme.colours(list(dict.fromkeys(map(plain_kind, kinds))), KNOWN)


def plain_kind(kind: str) -> str:
    """Return a kind without the sign of its piece's place.

    >>> plain_kind("B-PER"), plain_kind("I-PER"), plain_kind("PER")
    ('PER', 'PER', 'PER')
    """
    return kind.removeprefix("B-").removeprefix("I-") or kind


def _between(text: str, start: int, end: int, around: int | None) -> str:
    """Return what stands between two marks, its middle left out if that is long."""
    if around is None or end - start <= 2 * around + 20:
        return html.escape(text[start:end])
    pieces: Sequence[str] = (
        text[start : start + around] if start else "",  # before the first mark only its end counts
        text[end - around : end] if end < len(text) else "",
    )
    if not any(pieces):
        pieces = (text[: 2 * around], "")
    return " \N{HORIZONTAL ELLIPSIS} ".join(map(html.escape, pieces))
