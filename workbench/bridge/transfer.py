"""Copies between the CPU and a GPU: through pinned memory, on a stream of their own, followed by an event."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from . import devices
from .pool import POOLED_FROM, Array, Pool
from .staging import Event, UnderWay, staged

if TYPE_CHECKING:
    import torch


class Pending:
    """A copy that may still be under way.

    A tensor of the CPU's ordinary memory may be changed at once after its copy has begun; any other one when the copy
    is done. `tensor` is the copy, whose values may not have come yet.
    """

    def __init__(self, tensor: torch.Tensor, event: Event | None = None) -> None:
        self.tensor, self._event = tensor, event

    def done(self) -> bool:
        """Return whether the copy has ended; it does not wait."""
        return self._event is None or self._event.query()

    def result(self) -> torch.Tensor:
        """Return the copy, which may be used at once.

        A copy on the CPU is waited for. For one on a GPU its current stream waits, and the CPU does not.
        """
        import torch

        if self._event is None:
            return self.tensor
        if self.tensor.device.type == "cpu":
            self._event.synchronize()
        else:
            stream: Any = torch.cuda.current_stream(self.tensor.device)
            stream.wait_event(self._event)
            self.tensor.record_stream(stream)
        return self.tensor

    def wait(self) -> torch.Tensor:
        """Return the copy when it has ended, so that any stream may use it."""
        if self._event is not None:
            self._event.synchronize()
        return self.result()

    def __repr__(self) -> str:
        shape = tuple(self.tensor.shape)
        return f"a copy to {self.tensor.device}, {str(self.tensor.dtype).removeprefix('torch.')} {shape}"


class Transfers:
    """The streams of one bridge, and the copies that are under way on them.

    Parameters
    ----------
    pool
        Where the pinned memory comes from.
    pinned
        False to do without it.
    """

    def __init__(self, pool: Pool, pinned: bool | None) -> None:
        self._pool, self._pinned = pool, pinned is not False
        self._under_way = UnderWay()
        self._lock = threading.Lock()
        self._streams: dict[str, CudaStream] = {}

    def forget(self) -> None:
        """Let go of the memory of copies that have ended."""
        self._under_way.forget()

    def start(self, tensor: torch.Tensor, device: torch.device) -> tuple[Pending, str]:
        """Begin to copy a tensor without gradient to another device; return the copy, and in words how it is made."""
        tensor = tensor.resolve_conj().resolve_neg()
        if tensor.device.type == "cpu" and device.type == "cuda":
            return self._upload(tensor, device)
        if tensor.device.type == "cuda" and device.type == "cpu":
            return self._download(tensor)
        return Pending(tensor.to(device)), "to another device"

    def _upload(self, tensor: torch.Tensor, device: torch.device) -> tuple[Pending, str]:
        import torch

        pinned = tensor.is_pinned()
        if not pinned and (not self._pinned or tensor.nbytes < POOLED_FROM):
            return Pending(tensor.to(device)), "to another device"
        stream = self._stream(device)
        # Allocated on that stream: its copies need not wait for what others compute, and if the result is dropped
        # under way, its memory goes to what comes after them on the same stream.
        with torch.cuda.stream(stream.stream):
            target = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
        if pinned:
            stream.copy(target, tensor)
            how = "to another device, from memory that is pinned"
        else:
            flat, filled = (item.contiguous().view(-1).view(torch.uint8) for item in (tensor, target))
            through = staged(flat, filled, stream, self._take, self._under_way)
            how = "to another device, " + ("through pinned memory" if through else "for the pool had no pinned memory")
        event = stream.record()
        if pinned:
            self._under_way.keep(event, tensor)
        return Pending(target, event), how

    def _download(self, tensor: torch.Tensor) -> tuple[Pending, str]:
        import torch

        block = self._take(tensor.nbytes) if self._pinned and tensor.nbytes >= POOLED_FROM else None
        if block is None:
            return Pending(tensor.to("cpu")), "to another device"
        target = torch.from_numpy(block).view(tensor.dtype).view(tensor.shape)
        stream = self._stream(tensor.device)
        stream.stream.wait_stream(torch.cuda.current_stream(tensor.device))  # which may still compute the tensor
        stream.copy(target, tensor)
        tensor.record_stream(stream.stream)  # its memory is not used again before that
        event = stream.record()
        self._under_way.keep(event, target)
        return Pending(target, event), "to another device, into pinned memory"

    def _take(self, nbytes: int) -> Array | None:
        with contextlib.suppress(OSError):  # not to be had is not an error here: the copy goes another way
            return self._pool.take(nbytes, devices.pin_memory)
        return None

    def _stream(self, device: torch.device) -> CudaStream:
        with self._lock:
            if (name := str(device)) not in self._streams:
                self._streams[name] = CudaStream(device)
            return self._streams[name]


class CudaStream:
    """A stream of CUDA, as `staging` uses one."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self.stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(self, target: torch.Tensor, source: torch.Tensor) -> None:
        """Begin a copy, which comes after those begun before."""
        import torch

        with torch.cuda.stream(self.stream):
            target.copy_(source, non_blocking=True)

    def record(self) -> Event:
        """Return an event after all that was begun."""
        import torch

        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self.stream)
        found: Event = event
        return found
