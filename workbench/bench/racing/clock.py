"""The clock: what one sample is.

A sample begins when all other threads of the process sleep and the contender has run for 10 ms; then the contender
is called as often as fills a millisecond, and the sample is the time divided by the number of calls. The reasons,
measured on 2 cores (Zen 5, Linux in a virtual machine) with a row-wise kernel of 512x768 in Numba on TBB, which takes
28 us by itself:

- After a call, the worker threads of a library wait for the next one by spinning: GNU OpenMP (torch) for 8 ms, ONNX
  Runtime 34 ms, OpenBLAS (NumPy's matmul) 104 ms. Whoever runs meanwhile has lost a core: the kernel takes 51 us, and
  torch's softmax 7,000 us instead of 84, since two spinning teams keep pre-empting each other. Hence `settle`.
- Once all sleep, a contender's own workers wake up where the scheduler left them, often on the core of the caller, and
  it takes milliseconds until they are spread. After 3 ms of warm-up the kernel still takes 49 us in most rounds, after
  5 ms 32 (quartiles 29 and 51), after 10 ms 28.7 (28.2 and 29.2), after 20 ms 28.5 (28.3 and 29.1). Hence 10 ms.

So each is timed as it runs in a loop of its own, which is how libraries are compared, and how models run them.

A sample in which a thread of this process had to wait for a core is taken again. Beside a program that keeps one of the
2 cores busy, the kernel takes 163 us in the middle of all samples (quartiles 64 and 184), and 29.7 in those in which
nobody waited (26.9 and 30.2); on an idle machine it takes 31.7.

A contender on a GPU takes another clock with the same methods, that of `gpu_clock`; `run.race` is where one is made.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any, TypeVar

from workbench.bench.contenders import Entry
from workbench.bench.devices import Captured
from workbench.bench.race import Beside

from .cold import Rotation
from .footprint import peak_of
from .scheduler import Scheduler

WARM_UP = 0.010
"""Seconds that a contender runs before each sample."""
SAMPLE = 0.001
"""Seconds that a sample lasts at the least."""
SETTLE_LIMIT = 0.25
"""Seconds after which a thread that does not go to sleep is left alone; more than twice OpenBLAS's."""
TRIES = 20
"""How often a sample of a race is taken at the most."""
_WAITED_SHARE = 0.02
"""Of a sample's time, that threads may have waited for a core."""

Kept = TypeVar("Kept")

# Held here, so that no contender can replace them.
now = time.perf_counter_ns
"""The clock of all samples: nanoseconds."""
_seconds = time.perf_counter
pause = time.sleep
"""Lets other threads run."""


def same(returned: Any) -> Any:
    """Return what was returned."""
    return returned


def nothing(*_: Any) -> None:
    """Do nothing."""


class Clock:
    """Takes samples.

    Attributes
    ----------
    samples
        How many were taken.
    unsettled
        How many of them began with another thread still running, after :data:`SETTLE_LIMIT`.
    retaken
        How many of them were thrown away, since a thread had to wait for a core.
    alone
        Whether no thread had to wait in the last one.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.unsettled = 0
        # Held here, since a name of the module is looked up at each use, and a contender might replace it.
        self._now, self._run, self._run_each, self._once = now, _run, _run_each, _once
        self.retaken = 0
        self.alone = True
        self._scheduler = Scheduler()

    @property
    def counts_waiting(self) -> bool:
        """Whether the system tells how long threads waited."""
        return self._scheduler.counts

    def once(self, entry: Entry, keep: Callable[[Any], Kept] = same) -> tuple[float, Kept]:
        """Call once, and return the seconds and what ``keep`` makes of what was returned, at once and untimed."""
        with entry.around():
            seconds, returned = self._once(entry.call, self._now)
            return seconds, keep(returned)

    def calibrate(self, entry: Entry) -> tuple[int, float]:
        """Return how many calls fill a sample, and the seconds that one takes."""
        self.settle()
        calls, spent = 1, 0.0
        with entry.around():
            while True:
                seconds = self._run(entry.call, calls, self._now)
                spent += seconds
                if spent >= WARM_UP and seconds >= SAMPLE / 4:
                    return max(1, math.ceil(SAMPLE * calls / seconds)), seconds / calls
                if seconds < SAMPLE:
                    calls *= 2

    def sample(
        self,
        entry: Entry,
        calls: int,
        *,
        rotation: Rotation | None = None,
        tries: int = 1,
        before_last: Callable[[], object] = nothing,
        keep: Callable[[Any], object] = nothing,
    ) -> float:
        """Return seconds per call of one sample.

        Parameters
        ----------
        entry, calls
            Whose call, and how often.
        rotation
            The places in which it is called with cold caches, for which ``calls`` are at most as many; None to call it
            where it is, with warm ones.
        tries
            How often it is taken at the most, until no thread had to wait for a core.
        before_last
            Called before one more call, such as to spoil the buffer that it writes into. That call counts only where it
            is the whole sample: after a pause it takes longer, and would be a larger share of few calls than of many.
        keep
            Called with what that call returned, at once.
        """
        for number in range(tries):
            self.retaken += number > 0
            seconds = self._sample(entry, calls, rotation, before_last, keep)
            if self.alone:
                break
        return seconds / calls

    def peak(self, entry: Entry) -> int | None:
        """Return the bytes by which a call makes the process grow; None where nobody tells."""
        with entry.around():
            return peak_of(entry.call)

    def captured(self, entry: Entry) -> Captured | str | None:
        """Return a call as a graph, or in words why it cannot be one; None on a CPU, which has no graphs."""

    def beside(self, entry: Entry, calls: int, graph: Captured | str | None) -> Beside | None:
        """Return what is timed beside a sample; on a CPU nothing is."""

    @property
    def conditions(self) -> Mapping[str, Any]:
        """How the samples were taken, for the record of a race."""
        return {
            "method": (
                f"in turns, random order; before each sample all threads asleep (at most {SETTLE_LIMIT * 1e3:g} ms) "
                f"and {WARM_UP * 1e3:g} ms of warm-up; a sample of at least {SAMPLE * 1e3:g} ms, again if a thread "
                "waited for a core; ratios by round, bootstrap"
            ),
            "unsettled": self.unsettled,
            "retaken": self.retaken,
        }

    def settle(self, limit: float = SETTLE_LIMIT) -> bool:
        """Wait until this process's other threads sleep; False if one still runs after ``limit`` seconds."""
        end = _seconds() + limit
        quiet = 0
        while quiet < 2:  # twice in a row: a thread that is just being woken looks asleep for a moment
            quiet = 0 if self._scheduler.others_run() else quiet + 1
            if quiet < 2:
                if _seconds() > end:
                    return False
                pause(0.0002)
        return True

    def _sample(
        self,
        entry: Entry,
        calls: int,
        rotation: Rotation | None,
        before_last: Callable[[], object],
        keep: Callable[[Any], object],
    ) -> float:
        self.samples += 1
        self.unsettled += not self.settle()
        piece = max(1, calls // 4)

        def run(count: int) -> float:
            if rotation is None:
                return self._run(entry.call, count, self._now)
            return self._run_each(rotation.take(count), self._now)

        with entry.around():
            warm = 0.0
            while warm < WARM_UP:
                warm += run(piece)
            if rotation is not None:
                rotation.wash()
            collecting = gc.isenabled()
            gc.disable()  # a collection that falls into one contender's sample would be counted as its own
            try:
                self._scheduler.begin()
                seconds = run(calls) if calls > 1 or rotation is not None else 0.0
                waited = self._scheduler.waited(seconds)
                before_last()
                last, returned = self._once(entry.call, self._now)
                keep(returned)
                if calls == 1 and rotation is None:
                    seconds, waited = last, self._scheduler.waited(last)
                self.alone = waited <= _WAITED_SHARE * seconds
                return seconds
            finally:
                if collecting:
                    gc.enable()


def _run(call: Callable[[], Any], calls: int, now: Callable[[], int]) -> float:
    begin = now()
    for _ in repeat(None, calls):
        call()
    return (now() - begin) / 1e9


def _run_each(calls: list[Callable[[], Any]], now: Callable[[], int]) -> float:
    begin = now()
    for call in calls:
        call()
    return (now() - begin) / 1e9


def _once(call: Callable[[], Any], now: Callable[[], int]) -> tuple[float, Any]:
    begin = now()
    returned = call()
    return (now() - begin) / 1e9, returned
