"""What a kernel is told of an array: address, dtype, shape and strides, whoever made it."""

from __future__ import annotations

import math
from typing import NamedTuple

from .dtypes import itemsize


class View(NamedTuple):
    """What a kernel needs to know of an array.

    Parameters
    ----------
    address
        Of its first element, in the device's memory.
    dtype
        By its standard name.
    shape, strides
        Strides in elements.
    device
        The number of the GPU.
    """

    address: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: int

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        expected = 1
        for length, step in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and step != expected:
                return not self.size
            expected *= length
        return True

    @property
    def repeats(self) -> bool:
        """Whether several elements are one in memory, as those of a broadcast array are."""
        return self.size > 0 and any(n > 1 and not step for n, step in zip(self.shape, self.strides, strict=True))

    def span(self) -> tuple[int, int]:
        """Return the addresses from which and up to which elements lie."""
        if not self.size:
            return self.address, self.address
        steps = [step * (length - 1) for length, step in zip(self.shape, self.strides, strict=True)]
        low, high = sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)
        size = itemsize(self.dtype)
        return self.address + low * size, self.address + (high + 1) * size

    def meets(self, other: View) -> bool:
        """Whether the two share memory."""
        (first, last), (begin, end) = self.span(), other.span()
        return first < end and begin < last

    def lies_over(self, other: View) -> bool:
        """Whether each element is the one of the other at its place."""
        return self[:4] == other[:4]


def steps_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of a new array of a shape."""
    steps, step = [], 1
    for length in reversed(shape):
        steps.append(step)
        step *= length
    return tuple(reversed(steps))
