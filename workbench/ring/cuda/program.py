"""A persistent kernel and its rings: memory that both sides see, launches, and who waits for a reply."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from fused_kernels.cuda import driver
from fused_kernels.cuda.launch import Launch
from fused_kernels.cuda.source import Kernel, text_of
from fused_kernels.errors import KernelError
from workbench.errors import RunError

from . import memory
from .facts import Facts, why_not_persistent
from .layout import (
    BEAT,
    CARD,
    COMMAND_WORDS,
    ENDED,
    OPEN,
    PAGE,
    REPLY_WORDS,
    RINGS,
    SEEN,
    STOP,
    WHY,
    WORD,
    Why,
)
from .ring import Ring

THREADS, CAPACITY = 256, 64
LINGER, LEASE = 5e-3, 0.1
"""Seconds after which a kernel leaves the card: since the last message, or beat; and since the first one, messages or
not. To come back costs it a launch, which is little beside the first of these times; and who waits for the whole
device, as cuMemFree does, waits no longer than the second."""
_ARGUMENTS = struct.Struct("=8q")
"""``RingArguments`` of ring.cu."""
_SPINS = 300
"""Looks for a reply before anything else is done; about 20 us, in which a short one comes."""
_SHORT = 1e-3
"""Seconds of waiting in which other threads are let run, but not for a time."""
_LONGEST = 1e-3
_LOOK = 0.05
"""Seconds after which the driver is asked whether all is well."""


_Lent = TypeVar("_Lent", memory.Pinned, int)


class DeviceLost(BaseException):
    """The driver reports an error of the device, after which no kernel can run: a death, as a SystemExit is one."""


@cache
def kernel(body: str = "ring(a);", arguments: str = "RingArguments") -> Kernel:
    """Return the text of the persistent kernel, or of another one out of the same parts."""
    here = Path(__file__).parent
    parts = [text_of(here / name) for name in ("words.cu", "operations.cu", "ring.cu")]
    return Kernel('#include "common.cuh"\n' + "".join(parts), body, arguments, THREADS)


class _Made(NamedTuple):
    """What a program has of the driver, to be given back."""

    page: memory.Pinned
    stream: int
    lent: list[memory.Pinned | int]
    """All memory but the page."""


class Program:
    """A persistent kernel with `RINGS` rings, on the card while there are messages.

    Parameters
    ----------
    device
        The number of the GPU.
    facts
        Of it.
    linger, lease
        Seconds, in place of `LINGER` and `LEASE`.
    grid, threads
        Blocks, and threads in each; if None a block for each multiprocessor, and `THREADS`.
    capacity
        Messages that each ring holds, and replies: until a reply is taken, its message's place is not free.
    """

    def __init__(
        self,
        device: int,
        facts: Facts,
        *,
        linger: float = LINGER,
        lease: float = LEASE,
        grid: int | None = None,
        threads: int | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self.device, self.capacity = device, capacity
        self.persistent = not why_not_persistent(facts)
        self.launches = 0
        """The number of the last launch."""
        self._launch_numbers = itertools.count(1)
        self.lost = False
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._numbers = [0] * RINGS
        self._free, self._taken = list(range(RINGS))[::-1], 0
        # First, since it may fail: before it the kernel is compiled.
        self._start = driver.starter(Launch(kernel(), grid or facts.multiprocessors, threads or THREADS, ()), device)
        with driver.current(device):
            places = RINGS * capacity * WORD
            page, card = memory.pinned(PAGE), memory.zeros(CARD)
            self.commands, self.replies = memory.pinned(places * COMMAND_WORDS), memory.pinned(places * REPLY_WORDS)
            self._page, self._stream = page.words, memory.stream()
        self._lent: list[memory.Pinned | int] = [self.commands, self.replies, card]
        self._addresses = (page.device, self.commands.device, self.replies.device, card)
        self._times = [round(seconds * 1e9) for seconds in (linger if self.persistent else 0.0, lease)]
        made = _Made(page, self._stream, self._lent)
        self.close = weakref.finalize(self, _give_back, device, made, self._process)
        # At the interpreter's end a thread may still wait for a reply; the kernel leaves by itself, and the driver then
        # takes all memory back.
        self.close.atexit = False

    @property
    def resident(self) -> bool:
        """Whether the kernel is on the card, or on its way there."""
        return not self.lost and self._page[ENDED] < self.launches

    @property
    def why_left(self) -> Why:
        """Why the kernel left the card the last time."""
        return Why(self._page[WHY])

    @property
    def unused(self) -> bool:
        """Whether nobody has a ring."""
        return not self._taken

    def ring(self) -> Ring | None:
        """Return a ring that nobody has; None if there is none."""
        with self._lock:
            if not self._free:
                return None
            lane = self._free.pop()
            self._taken += 1
            self.gate(lane, open=True)
            return Ring(self, lane, self._numbers[lane])

    def give_back(self, ring: Ring) -> None:
        """Let others have a ring; one with a message that was not answered is nobody's from now on."""
        with self._lock:
            self.gate(ring.lane, open=False)
            self._numbers[ring.lane] = ring.taken
            self._taken -= 1
            if not ring.waiting:
                self._free.append(ring.lane)

    def gate(self, lane: int, *, open: bool) -> None:
        """Let the kernel take messages of a ring, or no more; then, once this returns, none is begun."""
        with self._lock:
            mask = self._page[OPEN] & ~(1 << lane) | open << lane
            self._page[OPEN] = mask
        began, look = time.perf_counter(), _LOOK
        while not open and self.resident and self._page[SEEN] != self._page[OPEN]:
            waited = time.perf_counter() - began
            if waited > look:
                look = 2 * waited
                with contextlib.suppress(DeviceLost):  # which takes no messages either
                    self._check()
            self._nap(waited)

    def beat(self) -> None:
        """Tell the kernel that the host lives, so that it stays for another while."""
        self._page[BEAT] += 1

    def start(self) -> None:
        """Put the kernel on the card if it is not there.

        Raises
        ------
        workbench.errors.RunError
            In a forked process, which has the parent's memory and not its GPU.
        """
        if self._process != os.getpid():
            raise RunError("CUDA does not outlive a fork: make the runtime in the child, or spawn processes.")
        if self.resident:
            return
        with self._lock:
            if not self.resident:
                # No number is given twice, wherever an interrupt comes.
                number = next(self._launch_numbers)
                with self._watched():
                    self._start(_ARGUMENTS.pack(*self._addresses, self.capacity, number, *self._times), self._stream)
                self.launches = number

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep the kernel off the card for a while, for what would wait until it leaves."""
        with self._lock, driver.current(self.device):
            try:
                self._page[STOP] = 1
                memory.settle(self._stream)
                yield
            finally:
                self._page[STOP] = 0

    def pinned(self, size: int) -> memory.Pinned:
        """Return new memory of the host, which is given back with the program at the latest."""
        return self._lend(memory.pinned, size)

    def empty(self, size: int) -> int:
        """Return the address of new memory on the device, which is given back with the program at the latest."""
        return self._lend(memory.empty, size)

    def free(self, what: memory.Pinned | int) -> None:
        """Give memory back that this program gave out."""
        with self.quiet():
            self._lent.remove(what)
            memory.free(what)

    def _lend(self, make: Callable[[int], _Lent], size: int) -> _Lent:
        # To give out memory may wait for the whole device, so the kernel leaves it first.
        with self.quiet():
            found = make(size)
            self._lent.append(found)
            return found

    def wait(self, words: memoryview[int], at: int, number: int, seconds: float | None, *, start: bool) -> bool:
        """Wait until the GPU has written a number into a word, and tell whether that was in time."""
        if start:
            self._start_for(words, at, number)
        for _ in range(_SPINS):
            if words[at] == number:
                return True
        began, look = time.perf_counter(), _LOOK
        while words[at] != number:
            waited = time.perf_counter() - began
            if seconds is not None and waited >= seconds:
                return False
            if start:
                self._start_for(words, at, number)
                self.beat()
            if waited > look:
                look = 2 * waited
                self._check()
            self._nap(waited)
        return True

    def _start_for(self, words: memoryview[int], at: int, number: int) -> None:
        # In this order: a kernel that is gone has written all its replies before, and so it did not answer this one.
        if not self.resident and words[at] != number:
            self.start()

    def _nap(self, waited: float) -> None:
        time.sleep(0 if waited < _SHORT else min(waited / 20, _LONGEST))

    def _check(self) -> None:
        """Ask the driver whether all is well."""
        with self._lock, driver.current(self.device), self._watched():
            status = driver.driver_library().cuStreamQuery(ctypes.c_void_p(self._stream))
            if status != memory.NOT_READY:
                driver.check(status)
                if self.resident:
                    raise KernelError("The persistent kernel has ended without a word.")

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except KernelError as error:
            self.lost = True
            raise DeviceLost(str(error)) from error


def _give_back(device: int, made: _Made, process: int) -> None:
    """Let the kernel leave, and give its memory back; not in a forked child, which does not have it."""
    if process != os.getpid():
        return
    made.page.words[STOP] = 1
    with contextlib.suppress(KernelError), driver.current(device):  # or the device is lost, and all that was on it
        memory.settle(made.stream)
        for what in (made.page, *made.lent):
            memory.free(what)
        memory.end_stream(made.stream)
