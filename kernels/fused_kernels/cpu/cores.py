"""Which core a thread runs on, and how it leaves it to another one.

A thread that is woken often comes to the core of whoever woke it, if a busy program has the others: the two then share
that core, and a loop takes longer than on one of them. Beside such a program, on 2 cores, a loop of 21 µs took 66 to 73
on average, and takes 39 to 50 where workers leave the caller's core. On an idle machine both take 21.
"""

from __future__ import annotations

import sys
from typing import Any

from numba import types

from . import atomic
from .addresses import on_stack
from .compile import inline

_WORDS = 16
"""Of a set of cores: a bit for each of 1024, which is what the C library has."""
_set_room = on_stack(8 * _WORDS)

_current = types.ExternalFunction("sched_getcpu", types.intc())
_get_set = types.ExternalFunction("sched_getaffinity", types.intc(types.intc, types.int64, types.int64))
_put_set = types.ExternalFunction("sched_setaffinity", types.intc(types.intc, types.int64, types.int64))


def _current_core() -> Any:
    return _current()


def _leave_core(core: int) -> None:
    allowed = _set_room()
    if core < 0 or _current() != core or _get_set(0, 8 * _WORDS, allowed) < 0:
        return
    place = allowed + core // 64 * 8
    with_it = atomic.load(place)
    atomic.store(place, with_it & ~(1 << (core % 64)))
    others = 0
    for word in range(_WORDS):
        others |= atomic.load(allowed + 8 * word)
    if others != 0:
        _put_set(0, 8 * _WORDS, allowed)
        atomic.store(place, with_it)
        _put_set(0, 8 * _WORDS, allowed)


def _no_core() -> int:
    return -1


def _stay(core: int) -> None:
    pass


_IS_TOLD = sys.platform == "linux"
current_core = inline(_current_core if _IS_TOLD else _no_core)
"""``current_core()``: the number of the core that this thread runs on, -1 where the system does not tell."""
leave_core = inline(_leave_core if _IS_TOLD else _stay)
"""``leave_core(core)`` moves this thread to another of the cores that it may use, if it runs on that one."""
