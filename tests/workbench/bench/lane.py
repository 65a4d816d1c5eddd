"""A GPU of a thread: its stream is a queue that a thread works off, in order, while the caller goes on.

What a race does with a device happens here in earnest: calls return before their work is done, marks take the time when
the thread reaches them, a pause holds it up, and an array is read only after what was enqueued before.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fused_kernels.cuda import arrays


class Cell:
    """An array in the memory of the device."""

    def __init__(self, data: np.ndarray[Any, Any], lane: Lane) -> None:
        self.data, self.lane = data, lane

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    def reshape(self, *shape: int) -> Cell:
        return Cell(self.data.reshape(*shape), self.lane)

    def __getitem__(self, index: Any) -> Cell:
        return Cell(self.data[index], self.lane)

    def get(self) -> np.ndarray[Any, Any]:
        """Return a copy, when the device has done all that was enqueued on its own stream."""
        self.lane.wait()
        return self.data.copy()


class Cells:
    """The library of these arrays, as `fused_kernels` asks for one; what kernels need of one is left out."""

    name = "cells"

    def owns(self, value: object) -> bool:
        return isinstance(value, Cell)

    def view(self, operation: str, name: str, value: Cell) -> arrays.View:
        data = value.data
        strides = tuple(step // data.itemsize for step in data.strides)
        return arrays.View(data.__array_interface__["data"][0], data.dtype.name, data.shape, strides, 0)

    def fill(self, target: Cell, value: float) -> None:
        target.lane.enqueue("fill", lambda: target.data.fill(value))


class Mark:
    """The time at which the thread came by; None before."""

    seconds: float | None = None


class Captured:
    """Work that was not done but kept."""

    def __init__(self, lane: Lane, work: list[tuple[str, Callable[[], Any]]], returned: Any) -> None:
        self._lane, self._work, self.returned = lane, work, returned

    def replay(self) -> None:
        self._lane.enqueue("graph", lambda: [work() for _, work in self._work])


class Lane:
    """The device.

    Attributes
    ----------
    done
        The names of what was enqueued, in the order in which it was done.
    others
        Further streams of the same device.
    """

    name, library, l2 = "a thread", "cells 1", 1 << 20

    def __init__(self) -> None:
        self.done: list[str] = []
        self.others: list[Lane] = []
        self.capturing: list[tuple[str, Callable[[], Any]]] | None = None
        self._work: queue.SimpleQueue[tuple[str, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._scratch = np.zeros(4 * self.l2, np.uint8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._work.put(None)
        self._thread.join()

    @property
    def is_idle(self) -> bool:
        return self._work.empty()

    def enqueue(self, name: str, work: Callable[[], Any]) -> None:
        if self.capturing is not None:
            self.capturing.append((name, work))
        else:
            self._work.put((name, work))

    @contextmanager
    def current(self) -> Iterator[None]:
        yield

    def put(self, values: np.ndarray[Any, Any], dtype: str | None = None) -> Cell:
        return Cell(values.astype(dtype or values.dtype), self)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Cell:
        return Cell(np.full(shape, 77, dtype), self)

    def write(self, array: Cell, values: np.ndarray[Any, Any]) -> None:
        kept = values.copy()
        self.enqueue("write", lambda: np.copyto(array.data, kept))

    def copy(self, array: Cell, other: Cell) -> None:
        self.enqueue("copy", lambda: np.copyto(array.data, other.data))

    def record(self) -> Mark:
        mark = Mark()

        def take() -> None:
            mark.seconds = time.perf_counter()

        self.enqueue("mark", take)
        return mark

    def reached(self, mark: Mark) -> bool:
        return mark.seconds is not None

    def seconds(self, first: Mark, last: Mark) -> float:
        assert first.seconds is not None
        assert last.seconds is not None, "marks are asked when they were reached"
        return last.seconds - first.seconds

    def wait(self) -> None:
        if self.capturing is not None:
            raise RuntimeError("nobody can wait within a graph\nnor say more about it")
        reached = threading.Event()
        self.enqueue("wait", reached.set)
        assert reached.wait(30), "the thread is alive"

    def idle(self) -> None:
        for lane in [self, *self.others]:
            lane.wait()

    def flush(self) -> None:
        self.enqueue("flush", lambda: self._scratch.fill(1))

    def hold(self, seconds: float) -> None:
        self.enqueue("hold", lambda: time.sleep(seconds))

    def capture(self, call: Callable[[], Any]) -> Captured:
        self.capturing = []
        try:
            returned = call()
            return Captured(self, self.capturing, returned)
        finally:
            self.capturing = None

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            item[1]()
            self.done.append(item[0])


def kernel(function: Callable[..., Any], lane: Lane | None = None) -> Callable[..., Any]:
    """Return a function of NumPy's arrays as one on cells, which takes ``out=`` and returns before it is done.

    Its result has the shape and dtype of the first one. It runs on the stream of its arrays, or on another one.
    """

    def call(*given: Cell, out: Cell | None = None) -> Cell:
        first, data = given[0], [value.data for value in given]
        made = Cell(np.full_like(first.data, 77), first.lane) if out is None else out

        def work() -> None:
            with np.errstate(all="ignore"):  # poison is among what it may be given
                made.data[...] = function(*data)

        (lane or first.lane).enqueue("kernel", work)
        return made

    return call


@contextmanager
def opened() -> Iterator[Lane]:
    """Give a lane whose arrays the kernels know, and close it."""
    library, made = Cells(), Lane()
    arrays.libraries.append(library)
    try:
        yield made
    finally:
        made.close()
        arrays.libraries.remove(library)
