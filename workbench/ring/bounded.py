"""A queue with a limit, those who wait for room in it, and those who wait for something to come."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from .options import WhenFull
from .waiting import Waiters

Item = TypeVar("Item")


class Bounded(Generic[Item]):
    """At most ``capacity`` items, in order; whoever calls it holds the kernel's guard."""

    def __init__(self, capacity: int, when_full: WhenFull) -> None:
        self.items: deque[Item] = deque()
        self.capacity, self.when_full = capacity, when_full
        self.room, self.news = Waiters(), Waiters()

    @property
    def full(self) -> bool:
        """Whether another item has no room."""
        return len(self.items) >= self.capacity

    def put(self, item: Item) -> Item | None:
        """Add an item; return the oldest one, if it had to make room."""
        dropped = self.items.popleft() if self.full else None
        self.items.append(item)
        self.news.wake()
        return dropped

    def take(self) -> Item:
        """Take the oldest item out, and wake who waits for its room."""
        item = self.items.popleft()
        self.room.wake()
        return item

    def remove(self, item: Item) -> bool:
        """Take out one that nobody waits for any more; False if it is not here."""
        try:
            self.items.remove(item)
        except ValueError:
            return False
        self.room.wake()
        return True
