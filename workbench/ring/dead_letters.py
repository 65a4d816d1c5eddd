"""Messages and replies that nobody took: kept for a look at why, the oldest dropped first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DeadLetter:
    """A message that no kernel answered, or a reply that nobody received.

    Parameters
    ----------
    kernel
        The name of the kernel that had it last.
    id
        Its correlation id.
    reason
        Why.
    hops
        How often it had gone on to another kernel.
    payload
        What it carried; of a reply the result.
    error
        What the handler raised, if that is why.
    """

    kernel: str
    id: Hashable
    reason: str
    hops: int = 0
    payload: Any = field(default=None, repr=False)
    error: BaseException | None = None


class DeadLetters:
    """The last dead letters of a runtime.

    Parameters
    ----------
    most
        So many are kept, with what they carry; all are counted.
    """

    def __init__(self, most: int) -> None:
        self._kept: deque[DeadLetter] = deque(maxlen=most)
        self.begin()

    def begin(self) -> None:
        """Begin anew, with nothing; also in a forked process."""
        self._lock = threading.Lock()
        self.count = 0
        self._kept.clear()

    def add(self, letter: DeadLetter) -> None:
        """Keep one more."""
        dropped = None  # what it carries may end in code of others, which the lock is not held for
        with self._lock:
            self.count += 1
            if len(self._kept) == self._kept.maxlen and self._kept:
                dropped = self._kept.popleft()
            self._kept.append(letter)
        del dropped

    def listed(self) -> tuple[DeadLetter, ...]:
        """Return those that are kept, the oldest first."""
        with self._lock:
            return tuple(self._kept)
