"""What a caller does step by step, written once for threads and for event loops.

Each is a generator that yields who is to be woken and how long to wait for that, and is sent whether it came in time.
`run` waits in the thread, `arun` suspends the task. What interrupts the waiting, a key or a cancelled task, is thrown
into the generator, which takes back what it has left behind.
"""

from __future__ import annotations

import math
import numbers
import threading
import time
from collections.abc import Callable, Generator
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
    try:
        number = float(seconds)
    except OverflowError:
        whole: Any = seconds
        number = -math.inf if whole < 0 else math.inf
    if not number >= 0:
        raise InputError(f"timeout must be seconds, 0 or more, got {seconds!r}.")
    return min(number, threading.TIMEOUT_MAX)


def call(kernel: Kernel, message: Message, time: Time, make: Make) -> Steps[None]:
    """Send a message that has a waiter, and wait until it has its answer."""
    if kernel.inside():
        raise StateError(
            f"Kernel {kernel.name!r} is called in its own handler, or in one that it waits for, so it would wait for "
            "itself. Return a Forward, send(..., reply=False), or keep what is to be done in its state."
        )
    yield from _offered(kernel, message, time, make, (ReplyTimeoutError, Fate.TIMED_OUT))
    yield from answer(kernel, message, time)


def answer(kernel: Kernel, message: Message, time: Time) -> Steps[None]:
    """Wait until a message that was sent with a waiter has its answer.

    What it is, `Message.result` says; raised in here, a StopIteration of the handler would become another error.
    """
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


def send(kernel: Kernel, message: Message, time: Time, make: Make) -> Steps[None]:
    """Send a message, waiting for room."""
    return _offered(kernel, message, time, make, (QueueFullError, Fate.REFUSED))


def receive(kernel: Kernel, time: Time, make: Make) -> Steps[Reply]:
    """Wait for the oldest reply and take it."""

    def late() -> Exception:
        return ReplyTimeoutError(
            f"Kernel {kernel.name!r} gave no reply within {time}; it is {kernel.state}, and "
            f"{len(kernel.inbox.items):,} messages wait."
        )

    while not isinstance(found := kernel.receive(make), Reply):
        assert found is not None
        yield from _woken(found, time, lambda waiter, fate: kernel.give_up_news(waiter), late)
    return found


def state(kernel: Kernel, wanted: State, time: Time, make: Make) -> Steps[None]:
    """Wait until a kernel is in a state."""

    def late() -> Exception:
        return ReplyTimeoutError(f"Kernel {kernel.name!r} was not {wanted} within {time}; it is {kernel.state}.")

    while waiter := kernel.wait_for(wanted, make):
        yield from _woken(waiter, time, lambda waiter, fate: kernel.give_up_state(waiter), late)


def _offered(
    kernel: Kernel, message: Message, time: Time, make: Make, otherwise: tuple[type[Exception], Fate]
) -> Steps[None]:
    """Offer a message until it is taken; if it is not in time, there is an error, and the message has a fate."""
    error, fate = otherwise

    def late() -> Exception:
        return error(f"There was no room within {time}. {kernel.full_text()}")

    while waiter := kernel.offer(message, make):
        yield from _woken(waiter, time, kernel.give_up_room, late, fate)


def _woken(
    waiter: Waiter,
    time: Time,
    give_up: Callable[[Waiter, Fate], object],
    late: Callable[[], Exception],
    fate: Fate = Fate.TIMED_OUT,
) -> Steps[None]:
    """Wait to be woken; whatever ends the waiting otherwise, nobody is left in a line."""
    try:
        woken = yield waiter, time.left
    except BaseException:
        give_up(waiter, Fate.CANCELLED)
        raise
    if not woken:
        give_up(waiter, fate)
        raise late()
