"""What a contender must leave alone: the clock, NumPy, the instrument, and the functions that it is compared with."""

from __future__ import annotations

import ctypes
import inspect
import operator
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

_CODE = "__code__", "__defaults__"
# The share of the time, and the seconds, by which two clocks may differ.
_SHARE, _LEAST = 0.02, 0.001


class Guard:
    """Notices when a function of the modules that a race rests on is replaced, and puts it back.

    Names that are added are none of its business, nor is what a contender does to the modules of others.

    Parameters
    ----------
    functions
        Those whose code must not be replaced either: the reference, the other contenders.
    """

    def __init__(self, functions: Iterable[Any] = ()) -> None:
        self._spaces: list[tuple[str, Any, tuple[str, ...], tuple[Any, ...]]] = []
        for name, module in _modules().items():
            self._keep(name, module, _members(module))
        for name, module in list(_modules("workbench.bench").items()):
            for member in _members(module).values():
                if inspect.isclass(member) and member.__module__ == name:
                    self._keep(f"{name}.{member.__qualname__}", member, _members(member))
        for function in functions:
            if inspect.isfunction(function):
                parts = {part: getattr(function, part) for part in _CODE}
                self._keep(f"the code of {function.__qualname__}", function, parts)

    def restore(self) -> list[str]:
        """Put back what was replaced, and return its names, such as ``time.perf_counter``."""
        found = []
        for name, space, names, members in self._spaces:
            now = [getattr(space, name) for name in names] if _is_code(names) else list(map(vars(space).get, names))
            if all(map(operator.is_, now, members)):
                continue
            for key, is_now, was in zip(names, now, members, strict=True):
                if is_now is not was:
                    setattr(space, key, was)
                    found.append(name if _is_code(names) else f"{name}.{key}")
        return found

    def _keep(self, name: str, space: Any, members: Mapping[str, Any]) -> None:
        self._spaces.append((name, space, tuple(members), tuple(members.values())))


class Witness:
    """Tells the time of some work by a second clock: a span that the first clock's must lie in.

    Each reading of the first lies between two of the second, so that whatever interrupts us in between, and for
    however long, the span has the true time.
    """

    def __init__(self, first: Callable[[], int]) -> None:
        self._first, self._second = first, independent_clock()
        self._began = self._read()

    def disagrees(self) -> bool:
        """Tell whether the first clock went too fast or too slow since the beginning."""
        (low, begin, high), (before, end, after) = self._began, self._read()
        ours = (end - begin) / 1e9
        return not (before - high) * (1 - _SHARE) - _LEAST <= ours <= (after - low) * (1 + _SHARE) + _LEAST

    def _read(self) -> tuple[float, int, float]:
        return self._second(), self._first(), self._second()


@cache
def independent_clock() -> Callable[[], float]:
    """Return a clock, in seconds, that does not pass through Python's ``time``: the C library's own."""
    try:
        library = ctypes.CDLL(None)
        read = library.clock_gettime
    except (OSError, AttributeError, TypeError):  # Windows
        return _by_system

    class Timespec(ctypes.Structure):
        _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    found = Timespec()
    pointer, monotonic = ctypes.byref(found), getattr(time, "CLOCK_MONOTONIC", 1)

    def now() -> float:
        read(monotonic, pointer)
        return float(found.seconds + found.nanoseconds / 1e9)

    return now


def _by_system(times: Callable[[], os.times_result] = os.times) -> float:
    return times().elapsed


def _modules(beginning: str = "") -> dict[str, Any]:
    found = {"time": time, "numpy": np, "numpy.linalg": np.linalg}
    found |= {name: module for name, module in sys.modules.items() if name.startswith("workbench.bench")}
    return {name: module for name, module in found.items() if name.startswith(beginning)}


def _members(space: Any) -> dict[str, Any]:
    """Return what can be called in a module or a class; a module's own state may change."""
    return {
        name: member
        for name, member in vars(space).items()
        if callable(member) or isinstance(member, property | classmethod | staticmethod)
    }


def _is_code(names: tuple[str, ...]) -> bool:
    return names == _CODE
