"""A GPU through CuPy alone: its streams, events and graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from . import Captured
from .busy import cycles_in_a_second, flushed_bytes

_HOLD = r"""
extern "C" __global__ void hold(long long cycles) {
    const long long begin = clock64();
    while (clock64() - begin < cycles) {}
}
"""


class CuPyDevice:
    """The GPU that is CuPy's current one.

    Raises
    ------
    ImportError
        Without CuPy.
    RuntimeError
        If CuPy sees no GPU.
    """

    def __init__(self) -> None:
        import cupy

        if not cupy.cuda.is_available():
            raise RuntimeError(f"{cupy.__version__} sees no GPU")
        self._cupy = cupy
        device = cupy.cuda.Device()
        properties = cupy.cuda.runtime.getDeviceProperties(device.id)
        self.name, self.l2 = properties["name"].decode(), int(properties["l2CacheSize"])
        self.library = f"cupy {cupy.__version__}"
        self._device = device
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._sleep = cupy.RawKernel(_HOLD, "hold")
        self._scratch: Any = None
        self._rate = 0.0

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make its stream the current one of CuPy."""
        with self._device, self._stream:
            yield

    def put(self, values: Any, dtype: str | None = None) -> Any:
        """Return a new array."""
        array = self._cupy.asarray(values)
        return array if dtype is None else array.astype(_dtype(dtype))

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new array."""
        return self._cupy.empty(shape, _dtype(dtype))

    def write(self, array: Any, values: Any) -> None:
        """Write values into an array."""
        array[...] = self._cupy.asarray(values).astype(array.dtype)

    def copy(self, array: Any, other: Any) -> None:
        """Enqueue a copy, by the driver where both lie without gaps."""
        self._cupy.copyto(array, other)

    def record(self) -> Any:
        """Enqueue an event."""
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def reached(self, mark: Any) -> bool:
        """Ask an event."""
        return bool(mark.done)

    def seconds(self, first: Any, last: Any) -> float:
        """Return the seconds between two events; CuPy tells milliseconds."""
        return float(self._cupy.cuda.get_elapsed_time(first, last)) / 1e3

    def wait(self) -> None:
        """Wait for the stream."""
        self._stream.synchronize()

    def idle(self) -> None:
        """Wait for all streams."""
        self._device.synchronize()

    def flush(self) -> None:
        """Write zeros."""
        if self._scratch is None:
            self._scratch = self.empty((flushed_bytes(self.l2),), "uint8")
        self._scratch.fill(0)

    def hold(self, seconds: float) -> None:
        """Let the GPU count its cycles."""
        if not self._rate:
            self._rate = cycles_in_a_second(self, self._count)
        self._count(int(seconds * self._rate))

    def capture(self, call: Callable[[], Any]) -> Captured:
        """Capture the stream, in memory that is the graph's alone."""
        with own_memory() as memory:
            call()  # what a first call in this memory sets up is no part of the graph
            self.wait()
            self._stream.begin_capture()
            try:
                returned = call()
            except Exception:
                with suppress(Exception):  # a capture that failed ends with an error of its own, which says less
                    self._stream.end_capture()
                raise
            graph = self._stream.end_capture()
        return SimpleNamespace(replay=graph.launch, returned=returned, memory=memory)

    def _count(self, cycles: int) -> None:
        self._sleep((1,), (1,), (np.int64(cycles),))


@contextmanager
def own_memory() -> Iterator[Any]:
    """Let CuPy take memory from a pool of its own, to be kept as long as a graph that writes to it.

    Else what the graph writes on the way would soon belong to other arrays.
    """
    cupy = loaded()
    if cupy is None:
        yield None
        return
    pool = cupy.cuda.MemoryPool()
    with cupy.cuda.using_allocator(pool.malloc):
        yield pool


def loaded() -> ModuleType | None:
    """Return CuPy, imported if need be; None where it is not installed, or sees no GPU."""
    try:
        import cupy
    except Exception:  # CuPy raises whatever its libraries do
        return None
    module: ModuleType = cupy
    return module if module.cuda.is_available() else None


def _dtype(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return name
