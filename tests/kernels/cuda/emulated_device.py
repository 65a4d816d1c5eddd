"""The emulated card as a device of races."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np


class EmulatedDevice:
    """The emulated card as a device of races: what is enqueued is done at once, and the host's clock is its own."""

    name, library, l2 = "emulated card", "emulator 1", 1 << 16

    def __init__(self, card: type, started: list[Any]) -> None:
        self._card, self._started = card, started
        self.flushes = 0

    def current(self) -> Any:
        return nullcontext()

    def put(self, values: np.ndarray, dtype: str | None = None) -> Any:
        return self._card(values.astype(numpy_dtype(dtype or values.dtype.name)))

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.put(np.full(shape, 77.0), dtype)

    def write(self, array: Any, values: np.ndarray) -> None:
        array.data[...] = values.astype(array.dtype)

    def copy(self, array: Any, other: Any) -> None:
        array.data[...] = other.data

    def record(self) -> float:
        return time.perf_counter()

    def reached(self, mark: float) -> bool:
        return False

    def seconds(self, first: float, last: float) -> float:
        return last - first

    def wait(self) -> None: ...

    def idle(self) -> None: ...

    def flush(self) -> None:
        self.flushes += 1

    def hold(self, seconds: float) -> None: ...

    def capture(self, call: Callable[[], Any]) -> Any:
        before = len(self._started)
        returned = call()
        assert len(self._started) > before, "a kernel was started"
        return SimpleNamespace(returned=returned, replay=call)


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
