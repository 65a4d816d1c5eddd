"""The threads of parallel kernels: how many; started with the first parallel call, ended at exit."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import math
import mmap
import operator
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from fused_kernels.errors import KernelError

_MOST = 1 << 16
_EXIT_PATIENCE = 1.0
"""Seconds that each worker has to return when the interpreter ends."""


@dataclass(frozen=True)
class _Team:
    """Workers, and the address of what they share with callers."""

    state: int
    threads: tuple[threading.Thread, ...]


_team: _Team | None = None
_wanted: int | None = None
_starting = threading.Lock()
_board = (ctypes.c_int64 * 2)()
board = ctypes.addressof(_board)
"""Where machine code finds the address that `state` returns, and `count`; 0 while Python has to start workers first."""


def get_num_threads() -> int:
    """Return how many threads a kernel may use, the calling one included.

    At the start as many as ``NUMBA_NUM_THREADS`` says, else as the process has processors, but no more than its
    container's share of processor time. Small arrays use fewer: see ``explain``.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    return count()


def set_num_threads(number: int) -> None:
    """Let kernels use at most ``number`` threads from now on, in all of the process.

    Raises
    ------
    KernelError
        For less than 1, or more than 65536.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _wanted
    try:
        wanted = operator.index(number)
    except TypeError:
        wanted = 0
    if not 1 <= wanted <= _MOST:
        raise KernelError(f"set_num_threads takes an integer from 1 up to {_MOST}, and got {number!r}.")
    _wanted = wanted
    _tell()


def count() -> int:
    """Return the same, for the dispatch; 1 where workers cannot sleep (no POSIX threads)."""
    global _wanted
    if _wanted is None:
        _wanted = _at_start()
    return _wanted


def in_words(number: int) -> str:
    """Return ``"1 thread"``, ``"2 threads"`` and so on, for a trace."""
    return f"{number} thread{'s' if number > 1 else ''}"


def state(shares: int) -> int:
    """Return the address that `fork_join.parallel` takes, with workers for so many shares; they start if need be."""
    if shares == 1:
        return 0
    team = _team
    if team is None or len(team.threads) < shares - 1:
        team = _start(max(shares, count()) - 1)
    return team.state


def _start(workers: int) -> _Team:
    """Start a team; one that was too small goes on sleeping, since calls in other threads may still use it."""
    global _team
    from . import fork_join

    with _starting:
        if _team is not None and len(_team.threads) >= workers:
            return _team
        # Never freed: a thread that is about to end may still look at it.
        memory = mmap.mmap(-1, fork_join.state_bytes(workers))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        fork_join.prepare(address, workers)
        members = tuple(
            threading.Thread(target=fork_join.work, args=(address, number), name=f"fused_kernels-{number}", daemon=True)
            for number in range(1, workers + 1)
        )
        # Where no more threads are to be had, callers do the shares of those that are missing.
        with contextlib.suppress(RuntimeError):
            for member in members:
                member.start()
        _watch_process()
        _teams.append(_Team(address, members))
        _team = _teams[-1]
        _tell()
        return _team


def _tell() -> None:
    """Write the board."""
    workers = 0 if _team is None else len(_team.threads)
    _board[:] = [0 if _team is None else _team.state, count() if workers >= count() - 1 else 0]


_teams: list[_Team] = []


@functools.cache
def _watch_process() -> None:
    atexit.register(_end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    """In a forked child there are no workers: the next parallel call starts its own."""
    global _team, _starting
    _team, _starting = None, threading.Lock()
    _teams.clear()
    _tell()


def _end() -> None:
    from . import fork_join

    for team in _teams:
        fork_join.stop(team.state, len(team.threads))
        for thread in team.threads:
            if thread.is_alive():
                thread.join(_EXIT_PATIENCE)


def _at_start() -> int:
    import numba

    if os.name != "posix":
        return 1
    return max(1, min(int(numba.config.NUMBA_NUM_THREADS), _container_share()))


def _container_share() -> int:
    """Return the processors that the control group allows, rounded up; a large number where there is no limit.

    More threads than that would spend each other's time.
    """
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return 1 << 16
