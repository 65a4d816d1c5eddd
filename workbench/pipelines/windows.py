"""Texts longer than a model takes: cut, or as windows that overlap, whose tokens are put together again.

A window has the tokens around the text (``[CLS]``, a question, ``[SEP]``) and a stretch of the text itself, its body.
Each token's value comes from the window in which it has most of its neighbours: two windows part in the middle of what
they share.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Encoding


class Encoded(Protocol):
    """What an engine computes: a ``tokenizers.Encoding``, or a piece of one."""

    @property
    def ids(self) -> list[int]:
        """Token ids."""

    @property
    def type_ids(self) -> list[int]:
        """0 for the first text of a pair and 1 for the second."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the tokens of an encoding."""

    ids: list[int]
    type_ids: list[int]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text with the tokens around it.

    Parameters
    ----------
    tokens
        What is computed.
    head
        So many of them stand before the body.
    begin
        The first token of the body, counted in the body of the whole text.
    count
        Tokens of the body.
    """

    tokens: Encoded
    head: int
    begin: int
    count: int


def body(encoding: Encoding, sequence: int = 0) -> tuple[int, int]:
    """Return where the tokens of a text begin and end in an encoding: of the first (0) or the second (1) of a pair."""
    sequences = encoding.sequence_ids
    if sequence not in sequences:
        return 0, 0
    return sequences.index(sequence), len(sequences) - sequences[::-1].index(sequence)


def whole(encoding: Encoding, sequence: int = 0) -> Window:
    """Return a text that fits as its one window."""
    start, stop = body(encoding, sequence)
    return Window(encoding, start, 0, stop - start)


def room(encoding: Encoding, longest: int, sequence: int = 0) -> int:
    """Return how many tokens of the body a window of ``longest`` tokens has; less than 1 if the others leave none."""
    start, stop = body(encoding, sequence)
    return longest - (len(encoding) - (stop - start))


def windows(encoding: Encoding, longest: int, stride: int, sequence: int = 0) -> list[Window]:
    """Split a text into windows.

    Parameters
    ----------
    encoding
        Of the whole text, or of a pair.
    longest
        Most tokens in a window, those around the text included.
    stride
        Tokens of the body that a window shares with the next; fewer than the ``room`` of a window.
    sequence
        Which text of a pair is split; the other one is in each window.
    """
    start, stop = body(encoding, sequence)
    ids, types = encoding.ids, encoding.type_ids
    size, length = room(encoding, longest, sequence), stop - start
    made: list[Window] = []
    for begin in range(0, max(length - stride, 1), size - stride):
        first, last = start + begin, start + min(begin + size, length)
        piece = Piece(ids[:start] + ids[first:last] + ids[stop:], types[:start] + types[first:last] + types[stop:])
        made.append(Window(piece, start, begin, last - first))
    return made


def shortened(encoding: Encoding, longest: int, *, left: bool = False) -> tuple[Piece, int]:
    """Cut a text, or the longer one of a pair, until it fits; the tokens around them stay.

    Parameters
    ----------
    encoding
        Of the whole.
    longest
        Tokens that may be left.
    left
        Whether the beginning goes rather than the end.

    Returns
    -------
    tuple
        The piece, and how many tokens were dropped.
    """
    bodies = [place for place in (body(encoding, 0), body(encoding, 1)) if place[1] > place[0]]
    sizes = [stop - start for start, stop in bodies]
    dropped = len(encoding) - longest
    keep = [max(sum(sizes) - dropped, 0)]
    if len(sizes) == 2:
        half = keep[0] // 2
        second = min(sizes[1], max(half, keep[0] - sizes[0]))
        keep = [keep[0] - second, second]
    ids, types = encoding.ids, encoding.type_ids
    for (start, stop), kept in reversed(list(zip(bodies, keep, strict=True))):  # from the end, so that places stay true
        gone = slice(start, stop - kept) if left else slice(start + kept, stop)
        del ids[gone], types[gone]
    return Piece(ids, types), dropped


def merged(made: Sequence[Window], rows: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Put together what was computed for each token of the text.

    Parameters
    ----------
    made
        All windows of the text, in order.
    rows
        For each window an array whose first axis has its tokens, and maybe padding.

    Returns
    -------
    numpy.ndarray
        Its first axis has the tokens of the whole body.
    """
    if len(made) == 1:
        window = made[0]
        return rows[0][window.head : window.head + window.count]
    seams = [(left.begin + left.count + right.begin + 1) // 2 for left, right in itertools.pairwise(made)]
    edges = [0, *seams, made[-1].begin + made[-1].count]
    return np.concatenate(
        [
            row[window.head + first - window.begin : window.head + last - window.begin]
            for window, row, first, last in zip(made, rows, edges, edges[1:], strict=False)
        ]
    )
