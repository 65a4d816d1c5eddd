"""Copies between the CPU and a GPU: through pinned memory, on a stream of their own, followed by an event."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import devices
from .pool import POOLED_FROM, Pool

if TYPE_CHECKING:
    import torch

STAGE_NBYTES = 16 << 20
"""Bytes of one step through pinned memory: while the GPU fetches one, the CPU fills the next."""
_STEPS = 3


class Pending:
    """A copy that may still be under way.

    The tensor that was copied from may be changed at once when it was on the CPU and not pinned; otherwise only when
    the copy is done. `tensor` is the copy, whose values may not have come yet.
    """

    def __init__(self, tensor: torch.Tensor, event: Any = None) -> None:
        self.tensor, self._event = tensor, event

    def done(self) -> bool:
        """Return whether the copy has ended; it does not wait."""
        return self._event is None or bool(self._event.query())

    def result(self) -> torch.Tensor:
        """Return the copy, which may be used at once.

        A copy on the CPU is waited for. For one on a GPU the current stream waits and the CPU does not.
        """
        import torch

        if self._event is not None:
            if self.tensor.device.type == "cpu":
                self._event.synchronize()
            else:
                stream = torch.cuda.current_stream(self.tensor.device)
                stream.wait_event(self._event)
                self.tensor.record_stream(stream)
        return self.tensor

    def wait(self) -> torch.Tensor:
        """Return the copy when it has ended, so that any stream and any process may use it."""
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
        Whether to stage in pinned memory: False never, None and True where the system pins it.
    """

    def __init__(self, pool: Pool, pinned: bool | None) -> None:
        self._pool, self._pinned = pool, pinned
        self._lock = threading.Lock()
        self._streams: dict[str, Any] = {}
        # What a GPU still reads or writes must not be freed, whatever the user lets go of.
        self._under_way: deque[tuple[Any, Any]] = deque()

    def start(self, tensor: torch.Tensor, device: torch.device) -> tuple[Pending, str]:
        """Begin to copy a tensor without gradient to another device; return the copy, and how it is made."""
        if tensor.device.type == "cpu" and device.type == "cuda":
            return self._upload(tensor, device)
        if tensor.device.type == "cuda" and device.type == "cpu":
            return self._download(tensor)
        return Pending(tensor.to(device)), "to another device"

    def _upload(self, tensor: torch.Tensor, device: torch.device) -> tuple[Pending, str]:
        import torch

        pinned = tensor.is_pinned()
        if not pinned and (self._pinned is False or tensor.nbytes < POOLED_FROM):
            return Pending(tensor.to(device)), "to another device"
        stream = self._stream(device)
        with torch.cuda.stream(stream):
            target = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
            if pinned:
                target.copy_(tensor, non_blocking=True)
                how = "to another device, from memory that is pinned"
            else:
                flat, to = tensor.contiguous().view(-1).view(torch.uint8), target.view(-1).view(torch.uint8)
                how = "to another device, " + (
                    "through pinned memory" if self._staged(flat, to, stream) else "since the pool had no pinned memory"
                )
            event = self._recorded(stream, [tensor, target] if pinned else [target])
        return Pending(target, event), how

    def _staged(self, flat: torch.Tensor, target: torch.Tensor, stream: Any) -> bool:
        """Copy bytes step by step through a few pinned blocks; return whether there were any."""
        import torch

        steps: deque[Any] = deque()
        for start in range(0, flat.numel(), STAGE_NBYTES):
            part = slice(start, min(start + STAGE_NBYTES, flat.numel()))
            if len(steps) == _STEPS:
                self._finish(steps.popleft())
            # The last, shorter step takes a block as long as the others, so that it finds one.
            block = self._take(min(STAGE_NBYTES, flat.numel()))
            while block is None and steps:
                self._finish(steps.popleft())
                block = self._take(min(STAGE_NBYTES, flat.numel()))
            if block is None:
                target[start:].copy_(flat[start:])
                return start > 0
            staged = torch.from_numpy(block)[: part.stop - part.start]
            staged.copy_(flat[part])
            target[part].copy_(staged, non_blocking=True)
            steps.append(self._recorded(stream, [staged]))
            del staged, block
        return True

    def _download(self, tensor: torch.Tensor) -> tuple[Pending, str]:
        import torch

        block = None
        if self._pinned is not False and tensor.nbytes >= POOLED_FROM:
            block = self._take(tensor.nbytes)
        if block is None:
            return Pending(tensor.to("cpu")), "to another device"
        target = torch.from_numpy(block).view(tensor.dtype).view(tensor.shape)
        stream = self._stream(tensor.device)
        stream.wait_stream(torch.cuda.current_stream(tensor.device))
        with torch.cuda.stream(stream):
            target.copy_(tensor, non_blocking=True)
            tensor.record_stream(stream)
            event = self._recorded(stream, [tensor, target])
        return Pending(target, event), "to another device, into pinned memory"

    def _take(self, nbytes: int) -> Any:
        with contextlib.suppress(OSError):
            return self._pool.take(nbytes, devices.pin_memory)
        return None

    def _stream(self, device: torch.device) -> Any:
        import torch

        with self._lock:
            if str(device) not in self._streams:
                self._streams[str(device)] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            return self._streams[str(device)]

    def _recorded(self, stream: Any, kept: Iterable[Any]) -> Any:
        """Return an event that follows what the stream has to do so far, and keep alive what that needs."""
        import torch

        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
        with self._lock:
            self._under_way.append((event, kept))
            self._forget()
        return event

    def _finish(self, event: Any) -> None:
        event.synchronize()
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        unfinished = [entry for entry in self._under_way if not entry[0].query()]
        self._under_way.clear()
        self._under_way.extend(unfinished)
