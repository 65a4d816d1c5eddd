"""What a caller does step by step, written once for threads and for event loops.

Each is a generator that yields who is to be woken and how long to wait for that, and is sent whether it came in time.
`run` waits in the thread, `arun` suspends the task. What interrupts the waiting, a key or a cancelled task, is thrown
into the generator, which takes back what it has left behind.
"""

from __future__ import annotations

import numbers
import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

from workbench.errors import InputError, QueueFullError, ReplyTimeoutError, StateError
from workbench.text import format_seconds

from .kernel import Kernel
from .message import Fate, Message, Reply
from .states import State
from .traffic import give_up
from .waiting import LoopWaiter, Make, ThreadWaiter, Waiter

Value = TypeVar("Value")
Steps = Generator[tuple[Waiter, float | None], bool, Value]


def run(steps: Steps[Value]) -> Value:
    """Take all steps in this thread."""
    try:
        waiter, seconds = next(steps)
        while True:
            assert isinstance(waiter, ThreadWaiter)
            try:
                woken = waiter.wait(seconds)
            except BaseException as error:
                steps.throw(error)
                raise
            waiter, seconds = steps.send(woken)
    except StopIteration as end:
        value: Value = end.value
        return value


async def arun(steps: Steps[Value]) -> Value:
    """Take all steps in a task, which leaves the event loop to others meanwhile."""
    try:
        waiter, seconds = next(steps)
        while True:
            assert isinstance(waiter, LoopWaiter)
            try:
                woken = await waiter.wait(seconds)
            except BaseException as error:
                steps.throw(error)
                raise
            waiter, seconds = steps.send(woken)
    except StopIteration as end:
        value: Value = end.value
        return value


class Time:
    """How long something may take.

    Parameters
    ----------
    seconds
        None for ever.
    """

    __slots__ = ("_end", "given")

    def __init__(self, seconds: float | None) -> None:
        self.given = seconds
        self._end = None if seconds is None else time.perf_counter() + checked(seconds)

    @property
    def left(self) -> float | None:
        """Seconds that are left."""
        return None if self._end is None else max(self._end - time.perf_counter(), 0.0)

    def __str__(self) -> str:
        return format_seconds(self.given or 0.0) if self.given else "0 s"


def checked(seconds: Any) -> float:
    """Return a time-out in seconds that is one, and no longer than a lock can wait.

    Raises
    ------
    workbench.errors.InputError
        If it is no number, or negative.
    """
    if type(seconds) is not float and (isinstance(seconds, bool) or not isinstance(seconds, numbers.Real)):
        raise InputError(f"timeout must be a number of seconds, got {seconds!r}.")
    number = float(seconds)
    if not number >= 0:
        raise InputError(f"timeout must be seconds, 0 or more, got {seconds!r}.")
    return min(number, threading.TIMEOUT_MAX)


def call(kernel: Kernel, message: Message, time: Time, make: Make) -> Steps[Any]:
    """Send a message that has a waiter, and wait for its answer."""
    if kernel.inside():
        raise StateError(
            f"Kernel {kernel.name!r} is called in its own handler, or in one that it waits for, so it would wait for "
            "itself. Return a Forward, send(..., reply=False), or keep what is to be done in its state."
        )
    while waiter := kernel.offer(message, make):
        try:
            woken = yield waiter, time.left
        except BaseException:
            kernel.give_up_room(waiter, Fate.CANCELLED)
            raise
        if not woken:
            kernel.give_up_room(waiter, Fate.TIMED_OUT)
            raise ReplyTimeoutError(f"There was no room within {time}. {kernel.full_text()}")
    return (yield from answer(kernel, message, time))


def answer(kernel: Kernel, message: Message, time: Time) -> Steps[Any]:
    """Wait for the answer of a message that was sent with a waiter."""
    assert message.waiter is not None
    try:
        woken = yield message.waiter, time.left
    except BaseException:
        give_up(message, kernel, Fate.CANCELLED)
        raise
    if not woken and give_up(message, kernel, Fate.TIMED_OUT):
        raise ReplyTimeoutError(
            f"Kernel {kernel.name!r} gave no answer within {time}; it is {kernel.state}, and "
            f"{len(kernel.inbox.items):,} messages wait. Its answer will be thrown away."
        )
    if message.error is not None:
        raise message.error
    return message.value


def send(kernel: Kernel, message: Message, time: Time, make: Make) -> Steps[None]:
    """Send a message, waiting for room."""
    while waiter := kernel.offer(message, make):
        try:
            woken = yield waiter, time.left
        except BaseException:
            kernel.give_up_room(waiter, Fate.CANCELLED)
            raise
        if not woken:
            kernel.give_up_room(waiter, Fate.REFUSED)
            raise QueueFullError(f"There was no room within {time}. {kernel.full_text()}")


def receive(kernel: Kernel, time: Time, make: Make) -> Steps[Reply]:
    """Wait for the oldest reply and take it."""
    while not isinstance(found := kernel.receive(make), Reply):
        assert found is not None
        try:
            woken = yield found, time.left
        except BaseException:
            kernel.give_up_news(found)
            raise
        if not woken:
            kernel.give_up_news(found)
            raise ReplyTimeoutError(
                f"Kernel {kernel.name!r} gave no reply within {time}; it is {kernel.state}, and "
                f"{len(kernel.inbox.items):,} messages wait."
            )
    return found


def state(kernel: Kernel, wanted: State, time: Time, make: Make) -> Steps[None]:
    """Wait until a kernel is in a state."""
    while waiter := kernel.wait_for(wanted, make):
        try:
            woken = yield waiter, time.left
        except BaseException:
            kernel.give_up_state(waiter)
            raise
        if not woken:
            kernel.give_up_state(waiter)
            raise ReplyTimeoutError(f"Kernel {kernel.name!r} was not {wanted} within {time}; it is {kernel.state}.")
