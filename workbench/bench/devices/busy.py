"""What keeps a GPU busy on purpose: how much is written to empty its cache, and how many cycles make a pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Device

_TIMES, _LEAST = 4, 64 << 20
_TURNS = 2_000_000


def flushed_bytes(l2: int) -> int:
    """Return how many bytes are written so that nothing else is left in a second-level cache."""
    return max(_TIMES * l2, _LEAST)


def cycles_in_a_second(device: Device, count: Callable[[int], Any]) -> float:
    """Return how many cycles of a busy GPU make a second; ``count`` enqueues a kernel that counts so many.

    An idle GPU has a slower clock, so it counts for a while before.
    """
    count(10 * _TURNS)
    first = device.record()
    count(_TURNS)
    last = device.record()
    device.wait()
    return _TURNS / device.seconds(first, last)
