"""What the system's scheduler tells of this process's threads: which run, and how long they waited for a core.

On Linux it counts, for each thread, the nanoseconds that it was ready and did not run. What a contender's threads
waited is no property of the contender: another program had the core.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_TASKS = "/proc/self/task"
_RAN_SHARE = 0.5
"""A thread that is ready and ran for less than this share of the time has been waiting for a core."""


@dataclass(frozen=True)
class _Times:
    """Nanoseconds of one thread."""

    ran: int
    waited: int
    """Counted when the waiting ends."""


class Scheduler:
    """Reads what the system counts; the files stay open, since opening them anew takes ten times as long."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, int]] = {}
        self._before: dict[str, _Times] = {}
        weakref.finalize(self, _close, self._files)

    @property
    def counts(self) -> bool:
        """Whether this system counts what threads wait."""
        return bool(self._look())

    def others_run(self) -> bool:
        """Tell whether another thread of this process runs, spinning included, or would if it had a core."""
        mine = str(threading.get_native_id())
        names = self._names()
        if names is None:
            return _others_used_time()
        return any(self._is_ready(name) for name in names if name != mine)

    def begin(self) -> None:
        """Begin to count what threads wait."""
        self._before = self._look()

    def waited(self, seconds: float) -> float:
        """Return the seconds that threads waited for a core since `begin`, of ``seconds``; 0 where nobody counts."""
        mine, total = str(threading.get_native_id()), 0.0
        for name, after in self._look().items():
            before = self._before.get(name, _Times(0, 0))
            waited, ran = (after.waited - before.waited) / 1e9, (after.ran - before.ran) / 1e9
            if not waited and name != mine and ran < _RAN_SHARE * seconds and self._is_ready(name):
                waited = seconds - ran
            total += waited
        return total

    def _names(self) -> list[str] | None:
        try:
            return os.listdir(_TASKS)  # noqa: PTH208 (half the time of a Path)
        except OSError:
            return None

    def _look(self) -> dict[str, _Times]:
        found = {}
        for name in self._names() or ():
            counted = self._read(name, 1).split()
            if len(counted) == 3:
                found[name] = _Times(_time_on_a_core(int(name)), int(counted[1]))
        return found

    def _is_ready(self, name: str) -> bool:
        line = self._read(name, 0)
        return line[line.rfind(b")") + 2 :][:1] == b"R"  # the name before it, in parentheses, may contain anything

    def _read(self, name: str, which: int) -> bytes:
        """Return the text of a thread's ``stat`` (0) or ``schedstat`` (1); nothing once it has ended."""
        for _ in range(2):  # a number that a later thread got again has a dead file
            try:
                if name not in self._files:
                    self._files[name] = _open(name)
                return os.pread(self._files[name][which], 1024, 0)
            except OSError:
                self._forget(name)
        return b""

    def _forget(self, name: str) -> None:
        _close({name: self._files.pop(name, ())})


def _open(name: str) -> tuple[int, int]:
    first = os.open(f"{_TASKS}/{name}/stat", os.O_RDONLY)
    try:
        return first, os.open(f"{_TASKS}/{name}/schedstat", os.O_RDONLY)
    except OSError:  # a system that does not count
        return first, -1


def _close(files: Mapping[str, tuple[int, ...]]) -> None:
    for file in (file for pair in files.values() for file in pair if file >= 0):
        with suppress(OSError):
            os.close(file)


def _time_on_a_core(task: int) -> int:
    """Return the nanoseconds that a thread has run, to the moment; what files tell is up to 4 ms old."""
    try:
        return time.clock_gettime_ns(~task << 3 | 6)  # how Linux numbers the clocks of threads
    except OSError:
        return 0


def _others_used_time(window: float = 0.002) -> bool:
    """Tell whether others run from CPU time, where the system lists no threads; a coarse clock sees only long runs."""
    before = time.process_time() - time.thread_time()
    time.sleep(window)
    return time.process_time() - time.thread_time() - before > window / 4
