"""Who waits for something, in a thread or in an event loop, and is woken once.

A lock that somebody else releases is the quickest way to wake a thread that Python has; ``threading.Condition`` and
``Event`` are made of it and take three times as long.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class ThreadWaiter:
    """A thread that sleeps until it is woken."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> bool:
        """Wake it; whoever calls this does so once."""
        self._lock.release()
        return True

    def wait(self, seconds: float | None) -> bool:
        """Sleep until woken, and tell whether that happened in time; None waits for ever."""
        return self._lock.acquire(timeout=-1 if seconds is None else min(max(seconds, 0.0), threading.TIMEOUT_MAX))


class LoopWaiter:
    """A task of the running event loop that is suspended until it is woken."""

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        """Wake it, from any thread; False if its loop was closed."""
        try:
            self._loop.call_soon_threadsafe(_set, self.future)
        except RuntimeError:
            return False
        return True

    async def wait(self, seconds: float | None) -> bool:
        """Suspend until woken, and tell whether that happened in time."""
        if seconds is None:
            await self.future
            return True
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self.future
        except TimeoutError:
            return False
        return True


Waiter = ThreadWaiter | LoopWaiter
Make = type[ThreadWaiter] | type[LoopWaiter]
"""Of which kind a caller is."""


class Waiters:
    """Those who wait for the same thing, in order; whoever calls it holds the kernel's guard."""

    def __init__(self) -> None:
        self._line: deque[Waiter] = deque()

    def add(self, waiter: Waiter) -> None:
        """Let one more wait."""
        self._line.append(waiter)

    def discard(self, waiter: Waiter) -> None:
        """Let one go that waits no longer; nothing happens if it was woken already."""
        try:
            self._line.remove(waiter)
        except ValueError:
            return

    def wake(self) -> None:
        """Wake the one that has waited the longest."""
        while self._line and not self._line.popleft().wake():
            pass

    def wake_all(self) -> None:
        """Wake all."""
        while self._line:
            self._line.popleft().wake()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
