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
"""

from __future__ import annotations

import gc
import math
import os
import threading
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

from .contenders import Entry

WARM_UP = 0.010
"""Seconds that a contender runs before each sample."""
SAMPLE = 0.001
"""Seconds that a sample lasts at the least."""
SETTLE_LIMIT = 0.25
"""Seconds after which a thread that does not go to sleep is left alone; more than twice OpenBLAS's."""

Kept = TypeVar("Kept")

_TASKS = Path("/proc/self/task")
# Held here, so that no contender can replace them.
now = time.perf_counter_ns
"""The clock of all samples: nanoseconds."""
_seconds = time.perf_counter
pause = time.sleep
"""Lets other threads run."""


def _same(returned: Any) -> Any:
    return returned


def _nothing(*_: Any) -> None:
    pass


class Clock:
    """Takes samples.

    Attributes
    ----------
    samples
        How many were taken.
    unsettled
        How many of them began with another thread still running, after :data:`SETTLE_LIMIT`.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.unsettled = 0

    def once(self, entry: Entry, keep: Callable[[Any], Kept] = _same) -> tuple[float, Kept]:
        """Call once, and return the seconds and what ``keep`` makes of what was returned, at once and untimed."""
        with entry.around():
            seconds, returned = _once(entry.call)
            return seconds, keep(returned)

    def calibrate(self, entry: Entry) -> tuple[int, float]:
        """Return how many calls fill a sample, and the seconds that one takes."""
        settle()
        calls, spent = 1, 0.0
        with entry.around():
            while True:
                seconds = _run(entry.call, calls)
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
        before_last: Callable[[], object] = _nothing,
        keep: Callable[[Any], object] = _nothing,
    ) -> float:
        """Return seconds per call of one sample.

        Parameters
        ----------
        entry, calls
            Whose call, and how often.
        before_last
            Called before the last call while the clock stands, such as to spoil the buffer that it writes into.
        keep
            Called with what the last call returned, at once after the clock has stopped.
        """
        self.samples += 1
        self.unsettled += not settle()
        piece = max(1, calls // 4)
        with entry.around():
            warm = 0.0
            while warm < WARM_UP:
                warm += _run(entry.call, piece)
            collecting = gc.isenabled()
            gc.disable()  # a collection that falls into one contender's sample would be counted as its own
            try:
                seconds = _run(entry.call, calls - 1) if calls > 1 else 0.0
                before_last()
                last, returned = _once(entry.call)
                keep(returned)
                return (seconds + last) / calls
            finally:
                if collecting:
                    gc.enable()


def settle(limit: float = SETTLE_LIMIT) -> bool:
    """Wait until this process's other threads sleep; False if one still runs after ``limit`` seconds."""
    end = _seconds() + limit
    quiet = 0
    while quiet < 2:  # twice in a row: a thread that is just being woken looks asleep for a moment
        quiet = 0 if _others_run() else quiet + 1
        if quiet < 2:
            if _seconds() > end:
                return False
            pause(0.0002)
    return True


# The clock is an argument of these, since a name of the module is looked up at each call, and might be replaced.
def _run(call: Callable[[], Any], calls: int, now: Callable[[], int] = now) -> float:
    begin = now()
    for _ in repeat(None, calls):
        call()
    return (now() - begin) / 1e9


def _once(call: Callable[[], Any], now: Callable[[], int] = now) -> tuple[float, Any]:
    begin = now()
    returned = call()
    return (now() - begin) / 1e9, returned


def _others_run() -> bool:
    """Tell whether another thread of this process runs, spinning included."""
    mine = str(threading.get_native_id())
    try:
        others = [task for task in os.listdir(_TASKS) if task != mine]  # noqa: PTH208
    except OSError:
        return _others_used_time()
    return any(_state(task) == "R" for task in others)


def _state(task: str) -> str:
    try:
        line = (_TASKS / task / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X"  # it has ended meanwhile
    return line[line.rindex(")") + 2]  # the name before it, in parentheses, may contain anything


def _others_used_time(window: float = 0.002) -> bool:
    """Tell the same from CPU time, where the system does not list threads; a coarse clock sees only long runs."""
    before = time.process_time() - time.thread_time()
    time.sleep(window)
    return time.process_time() - time.thread_time() - before > window / 4
