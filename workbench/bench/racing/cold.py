"""Cold caches: a contender works in one place of memory after the other, each of which has left the caches before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.bench.contenders import Entry
from workbench.bench.environment import caches

from . import check
from .memory import Slots
from .places import Place
from .questions import Question

_TIMES = 2
"""How many times the last cache all places hold together."""
_MOST = 1024
"""Places at the most; smaller ones are washed out of the caches by reading something else between two samples."""
_ROOM = 2 << 30
"""Bytes that all places may take."""
_USUAL_CACHE = 32 << 20


class Cold:
    """Places that rotate.

    Parameters
    ----------
    question
        Whose values all of them hold.
    slots
        Of the buffers for results.
    """

    def __init__(self, question: Question, slots: Slots) -> None:
        out_of_cache = _TIMES * max(caches().values(), default=_USUAL_CACHE)
        first = Place(question, slots)
        size = max(1, first.nbytes + sum(buffer.nbytes for buffer in check.leaves(first.out)))
        count = max(1, min(math.ceil(out_of_cache / size) + 1, _MOST, _ROOM // size))
        self.places = [first, *(Place(question, slots) for _ in range(count - 1))]
        self.other = None if count * size >= out_of_cache else np.zeros(out_of_cache // 8)

    def rotation(self, entry: Entry) -> Rotation:
        """Return the calls of a contender in all places."""
        bound = [entry.rebind(place.inputs, None if entry.out is None else place.out) for place in self.places]
        return Rotation(bound, self.other)


class Rotation:
    """Calls of one contender, each in the next place.

    Parameters
    ----------
    entries
        Bound to the places.
    other
        Memory to be read so that the places leave the caches; None where they are large enough themselves.
    """

    def __init__(self, entries: list[Entry], other: np.ndarray[Any, Any] | None) -> None:
        self._entries, self._other, self._next = entries, other, 0

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, count: int) -> list[Callable[[], Any]]:
        """Return the next calls."""
        places = range(self._next, self._next + count)
        self._next = places.stop % len(self._entries)
        return [self._entries[place % len(self._entries)].call for place in places]

    def wash(self) -> None:
        """See that what comes next is in no cache."""
        if self._other is not None:
            self._other += 1
