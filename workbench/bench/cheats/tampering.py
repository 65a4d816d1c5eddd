"""What a contender must leave alone: the clock, NumPy, the instrument, and the functions that it is compared with."""

from __future__ import annotations

import ctypes
import inspect
import operator
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_TOLD_APART = 0.02, 0.003  # share of the time, and seconds, by which two clocks may differ


class Guard:
    """Notices when a function of the modules that a race rests on is replaced, and puts it back.

    Names that are added are none of its business, nor is what a contender does to the modules of others.

    Parameters
    ----------
    functions
        Those whose code must not be replaced either: the reference, the other contenders.
    """

    def __init__(self, functions: Iterable[Any] = ()) -> None:
        spaces: list[tuple[str, Any, Mapping[str, Any]]] = [
            (name, module, _functions(module)) for name, module in _modules().items()
        ]
        ours = [space for space in spaces if space[0].startswith("workbench.bench")]
        for name, _, members in ours:
            classes = [each for each in members.values() if inspect.isclass(each) and each.__module__ == name]
            spaces += [(f"{name}.{each.__qualname__}", each, _functions(each)) for each in classes]
        codes = [function for function in functions if hasattr(function, "__code__")]
        spaces += [(_called(function), function, {"__code__": function.__code__}) for function in codes]
        self._spaces = [
            (name, space, tuple(members), tuple(members.values())) for name, space, members in spaces if members
        ]

    def restore(self) -> list[str]:
        """Put back what was replaced, and return its names, such as ``time.perf_counter``."""
        found = []
        for name, space, names, members in self._spaces:
            now = [space.__code__] if names == ("__code__",) else list(map(vars(space).get, names))
            if all(map(operator.is_, now, members)):
                continue
            for key, is_now, was in zip(names, now, members, strict=True):
                if is_now is not was:
                    setattr(space, key, was)
                    found.append(name if key == "__code__" else f"{name}.{key}")
        return found


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


def differ(ours: float, independent: float) -> bool:
    """Tell whether two clocks tell different times for the same work, seconds."""
    share, least = _TOLD_APART
    return abs(ours - independent) > max(share * independent, least)


def _by_system(times: Callable[[], os.times_result] = os.times) -> float:
    return times().elapsed


def _modules() -> dict[str, Any]:
    found = {"time": time, "numpy": np, "numpy.linalg": np.linalg}
    return found | {name: module for name, module in sys.modules.items() if name.startswith("workbench.bench")}


def _functions(space: Any) -> dict[str, Any]:
    """Return what can be called in a module or a class; a module's own state may change."""
    return {
        name: member
        for name, member in vars(space).items()
        if callable(member) or isinstance(member, property | classmethod | staticmethod)
    }


def _called(function: Any) -> str:
    return f"the code of {getattr(function, '__qualname__', 'a function')}"
