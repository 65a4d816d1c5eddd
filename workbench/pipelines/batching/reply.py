"""The way back from the worker thread to a caller in an event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Answer = tuple["Future[Any] | LoopReply[Any]", Any, BaseException | None]
"""Where an answer goes, and the result, or else the exception."""


class LoopReply(Generic[Result]):
    """A future of the running event loop, as far as the worker needs one.

    ``asyncio.wrap_future`` would wake the loop for each single answer, and with it let the two threads fight over the
    interpreter's lock; `deliver` wakes it once for a batch.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[Result] = self.loop.create_future()

    def cancelled(self) -> bool:
        """Tell whether the caller gave up; any thread may ask."""
        return self.waiter.cancelled()

    def done(self) -> bool:
        """Tell whether there is an answer, or nobody waits for one; any thread may ask."""
        return self.waiter.done()

    def set_running_or_notify_cancel(self) -> bool:
        """Tell whether the caller still waits, as a future of the standard library does."""
        return not self.waiter.cancelled()


def deliver(answers: list[Answer]) -> None:
    """Give answers to their callers."""
    loops: dict[asyncio.AbstractEventLoop, list[Answer]] = defaultdict(list)
    for answer in answers:
        reply, result, error = answer
        if isinstance(reply, LoopReply):
            loops[reply.loop].append(answer)
        elif error is None:
            reply.set_result(result)
        else:
            reply.set_exception(error)
    for loop, parts in loops.items():
        try:
            loop.call_soon_threadsafe(_wake, parts)
        except RuntimeError:  # the loop was closed, and its callers with it
            continue


def _wake(answers: list[Answer]) -> None:
    for reply, result, error in answers:
        assert isinstance(reply, LoopReply)
        if reply.waiter.done():  # given up in the last moment
            continue
        if error is None:
            reply.waiter.set_result(result)
        else:
            reply.waiter.set_exception(error)
