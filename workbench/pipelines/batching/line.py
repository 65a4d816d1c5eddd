"""The line in which requests wait, and who of them goes next; knows neither threads nor clocks.

Up to a full batch, all that wait go together. Where more wait, those whose time is up go first and the room left is
filled with those nearest to them in length, so that little is padded. So, as long as no more than one batch is due at a
time, nobody waits for longer than the patience plus the run that was under way when it ended.

Where more are due than fit into one batch, that promise cannot be kept by anybody, and throughput matters more: the
oldest of them, up to `WINDOW` full batches, are sorted by length, cut into batches and run one after the other. The
last of them ends when it would have in order of arrival; none starts more than ``WINDOW - 1`` runs later than that.
"""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .reply import LoopReply, Result

Item = TypeVar("Item")

WINDOW = 4
"""So many full batches are sorted by length together."""


@dataclass(eq=False, slots=True)
class Request(Generic[Item, Result]):
    """One item that waits for its result.

    Parameters
    ----------
    item
        What the function will be given.
    length
        By which it is sorted.
    since
        When it came, in seconds.
    future
        Where its result goes.
    """

    item: Item
    length: float
    since: float
    future: Future[Result] | LoopReply[Result] = field(default_factory=Future)


class Line(Generic[Item, Result]):
    """Requests in order of arrival.

    Parameters
    ----------
    size
        At most so many go together.
    patience
        Seconds that the oldest waits for others.
    """

    def __init__(self, size: int, patience: float) -> None:
        self._size, self._patience = size, patience
        self._waiting: list[Request[Item, Result]] = []
        self._planned: deque[list[Request[Item, Result]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._planned))

    def __iter__(self) -> Iterator[Request[Item, Result]]:
        return itertools.chain(*self._planned, self._waiting)

    def add(self, request: Request[Item, Result]) -> bool:
        """Let a request wait, and tell whether that may change when the next batch starts."""
        self._waiting.append(request)
        return len(self._waiting) in (1, self._size)

    def oldest(self) -> float | None:
        """Return when the request came that has waited for longest; None if none waits."""
        return min((request.since for request in self), default=None)

    def starts_in(self, now: float) -> float | None:
        """Return in how many seconds the next batch starts, 0 or less if it is time, None if nobody waits."""
        if self._planned or len(self._waiting) >= self._size:
            return 0.0
        return self._waiting[0].since + self._patience - now if self._waiting else None

    def take(self, now: float) -> list[Request[Item, Result]]:
        """Take those that go next, sorted by length; there must be some."""
        if not self._planned:
            self._plan(now)
        return self._planned.popleft()

    def drop_cancelled(self) -> list[Request[Item, Result]]:
        """Take out and return those whose caller no longer waits."""
        gone = [request for request in self if request.future.cancelled()]
        if gone:
            self._waiting = _live(self._waiting)
            self._planned = deque(batch for batch in map(_live, self._planned) if batch)
        return gone

    def clear(self) -> None:
        """Let all go, for whom there will be no answer."""
        self._waiting.clear()
        self._planned.clear()

    def _plan(self, now: float) -> None:
        due = bisect.bisect_right(self._waiting, now - self._patience, key=lambda request: request.since)
        if due > self._size:
            chosen = self._waiting[: min(due // self._size, WINDOW) * self._size]
            del self._waiting[: len(chosen)]
            chosen.sort(key=_length)
            batches = [chosen[start : start + self._size] for start in range(0, len(chosen), self._size)]
            self._planned.extend(sorted(batches, key=lambda batch: min(request.since for request in batch)))
        else:
            self._planned.append(sorted(self._with_the_nearest(max(due, 1)), key=_length))

    def _with_the_nearest(self, first: int) -> list[Request[Item, Result]]:
        """Take the ``first`` requests, and into the room left those nearest to them in length."""
        chosen, others = self._waiting[:first], self._waiting[first:]
        room = self._size - first
        if len(others) > room:
            low, high = min(map(_length, chosen)), max(map(_length, chosen))
            distances = [max(low - request.length, request.length - high, 0.0) for request in others]
            nearest = set(sorted(range(len(others)), key=distances.__getitem__)[:room])  # the older of two as near
            self._waiting = [request for place, request in enumerate(others) if place not in nearest]
            return chosen + [request for place, request in enumerate(others) if place in nearest]
        self._waiting = []
        return chosen + others


def _length(request: Request[Item, Result]) -> float:
    return request.length


def _live(requests: list[Request[Item, Result]]) -> list[Request[Item, Result]]:
    return [request for request in requests if not request.future.cancelled()]
