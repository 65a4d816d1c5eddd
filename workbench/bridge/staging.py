"""Copies that go on while the CPU does: step by step through a few blocks, each kept until its copy has ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .pool import Array

if TYPE_CHECKING:
    import torch

STAGE_NBYTES = 16 << 20
"""Bytes of one step: while the GPU fetches one, the CPU fills the next."""
STEPS = 3
"""So many blocks are under way together: one that the GPU reads, one that waits for it, one that the CPU fills."""


class Event(Protocol):
    """A point in the work of a stream."""

    def query(self) -> bool:
        """Return whether the work before it has ended."""

    def synchronize(self) -> None:
        """Wait until it has."""


class Stream(Protocol):
    """What copies one thing after another while its caller goes on."""

    def copy(self, target: torch.Tensor, source: torch.Tensor) -> None:
        """Begin a copy, which comes after those begun before."""

    def record(self) -> Event:
        """Return an event after all that was begun."""


class UnderWay:
    """What a stream still reads or writes, kept alive whatever the user lets go of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[Event, tuple[object, ...]]] = deque()

    def keep(self, event: Event, *things: object) -> None:
        """Keep things until an event has come."""
        with self._lock:
            self._kept.append((event, things))
        self.forget()

    def forget(self) -> None:
        """Let go of what no stream needs any more."""
        with self._lock:
            for _ in range(len(self._kept)):
                event, things = self._kept.popleft()
                if not event.query():
                    self._kept.append((event, things))

    def __len__(self) -> int:
        return len(self._kept)


def staged(
    source: torch.Tensor,
    target: torch.Tensor,
    stream: Stream,
    take: Callable[[int], Array | None],
    under_way: UnderWay,
    *,
    step: int = STAGE_NBYTES,
) -> bool:
    """Begin to copy bytes through blocks; when it returns, all of ``source`` has been read.

    Parameters
    ----------
    source, target
        uint8, 1-D, of one size; ``source`` on the CPU.
    stream
        What copies a block to ``target``.
    take
        Lends a block of so many bytes, or None. It is asked again when a block has become free.
    under_way
        What keeps the blocks until they have been read.
    step
        Bytes of one block.

    Returns
    -------
    bool
        Whether there was a block; without one the stream copies straight from ``source``, and is waited for.
    """
    import torch

    events: deque[Event] = deque()
    nbytes = min(step, source.numel())
    for start in range(0, source.numel(), step):
        if len(events) == STEPS:
            _wait(events, under_way)
        # The last step, which may be shorter, takes a block like the others, so that it finds one.
        block = take(nbytes)
        while block is None and events:
            _wait(events, under_way)
            block = take(nbytes)
        if block is None:
            stream.copy(target[start:], source[start:])
            stream.record().synchronize()
            return start > 0
        part = torch.from_numpy(block)[: source.numel() - start]
        del block
        part.copy_(source[start : start + step])
        stream.copy(target[start : start + step], part)
        events.append(stream.record())
        under_way.keep(events[-1], part)
        del part
    return True


def _wait(events: deque[Event], under_way: UnderWay) -> None:
    events.popleft().synchronize()
    under_way.forget()
