"""A GPU through torch: its streams, events and graphs; CuPy, where it is installed, works on the same stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import Captured
from .busy import cycles_in_a_second, flushed_bytes
from .cupy import loaded, own_memory


class TorchDevice:
    """The GPU that is torch's current one.

    Raises
    ------
    ImportError
        Without torch.
    RuntimeError
        If torch sees no GPU, in its own words.
    """

    def __init__(self) -> None:
        import torch as library

        torch: Any = library  # some of its functions have no types
        if not torch.cuda.is_available():
            raise RuntimeError(f"{torch.__version__} sees no GPU")
        self._torch = torch
        self._index = torch.cuda.current_device()
        properties = torch.cuda.get_device_properties(self._index)
        self.name, self.l2 = str(properties.name), int(properties.L2_cache_size)
        self.library = f"torch {torch.__version__}"
        self._stream = torch.cuda.Stream(self._index)
        self._scratch: Any = None
        self._rate = 0.0

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make its stream the current one of torch, and of CuPy where that is installed."""
        cupy = loaded()
        with ExitStack() as stack:
            stack.enter_context(self._torch.cuda.stream(self._stream))
            if cupy is not None:
                stack.enter_context(cupy.cuda.Device(self._index))
                stack.enter_context(self._for_cupy(cupy))
            yield

    def _for_cupy(self, cupy: Any) -> Any:
        """Return the stream as one of CuPy's: by the protocol of CuPy 14 and torch 2.10, or by its address."""
        if hasattr(cupy.cuda.Stream, "from_external") and hasattr(self._stream, "__cuda_stream__"):
            return cupy.cuda.Stream.from_external(self._stream)
        return cupy.cuda.ExternalStream(self._stream.cuda_stream)

    def put(self, values: Any, dtype: str | None = None) -> Any:
        """Return a new tensor."""
        kind = None if dtype is None else getattr(self._torch, dtype)
        return self._on_cpu(values).to(f"cuda:{self._index}", kind)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new tensor."""
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), device=f"cuda:{self._index}")

    def write(self, array: Any, values: Any) -> None:
        """Write values into a tensor."""
        array.copy_(self._on_cpu(values))

    def copy(self, array: Any, other: Any) -> None:
        """Enqueue a copy."""
        array.copy_(other)

    def record(self) -> Any:
        """Enqueue an event."""
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def reached(self, mark: Any) -> bool:
        """Ask an event."""
        return bool(mark.query())

    def seconds(self, first: Any, last: Any) -> float:
        """Return the seconds between two events; torch tells milliseconds."""
        return float(first.elapsed_time(last)) / 1e3

    def wait(self) -> None:
        """Wait for the stream."""
        self._stream.synchronize()

    def idle(self) -> None:
        """Wait for all streams."""
        self._torch.cuda.synchronize(self._index)

    def flush(self) -> None:
        """Write zeros."""
        if self._scratch is None:
            self._scratch = self.empty((flushed_bytes(self.l2),), "uint8")
        self._scratch.zero_()

    def hold(self, seconds: float) -> None:
        """Let the GPU count its cycles."""
        if not self._rate:
            self._rate = cycles_in_a_second(self, self._torch.cuda._sleep)
        self._torch.cuda._sleep(int(seconds * self._rate))

    def capture(self, call: Callable[[], Any]) -> Captured:
        """Capture with torch's graphs, whose memory is theirs alone; that of CuPy's arrays too."""
        torch = self._torch
        with own_memory() as memory:
            call()  # what a first call in this memory sets up is no part of the graph
            self.wait()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self._stream):
                returned = call()
        return SimpleNamespace(replay=graph.replay, returned=returned, memory=memory)

    def _on_cpu(self, values: np.ndarray[Any, Any]) -> Any:
        backwards = any(step < 0 for step in values.strides)  # which torch does not know
        return self._torch.from_numpy(np.ascontiguousarray(values) if backwards else values)
