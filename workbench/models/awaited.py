"""Work in another thread, awaited: the event loop stays free, and who stops waiting stops the work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Stop:
    """Asks work in another thread to end.

    Attributes
    ----------
    requested
        Whether it was asked.
    """

    def __init__(self) -> None:
        self.requested = False
        self._actions: list[Callable[[], object]] = []

    def request(self) -> None:
        """Ask it, from any thread."""
        self.requested = True
        for action in list(self._actions):
            action()

    def when_requested(self, action: Callable[[], object]) -> None:
        """Call ``action``, which may be called twice, when it is asked, or now if it was."""
        self._actions.append(action)
        if self.requested:
            action()


async def awaited(work: Callable[[Stop], Result]) -> Result:
    """Return what ``work`` returns, which runs in a thread of the event loop's own pool.

    When the wait is cancelled, work that has not begun never does, and work that has is asked to end by its
    :class:`Stop`.
    """
    stop = Stop()
    context = contextvars.copy_context()
    try:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: context.run(work, stop))
    except asyncio.CancelledError:
        stop.request()
        raise
