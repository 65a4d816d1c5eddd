"""What a call will do on the GPU, as plain values: made without a GPU, run by a `Library`."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from .source import Kernel

Argument = int | float | str | None
WARP = 32
NUMBER = "#"


class Launch(NamedTuple):
    """One kernel over a grid of blocks.

    Parameters
    ----------
    kernel
        What runs.
    grid, block
        How many blocks, and threads in each.
    arguments
        The fields of the kernel's struct, each of 8 bytes: numbers; names of arrays, for their addresses; names behind
        `NUMBER`, for numbers that each call brings; None for 0.
    """

    kernel: Kernel
    grid: int
    block: int
    arguments: tuple[Argument, ...]

    def packed(self, values: Mapping[str, int | float]) -> bytes:
        """Return the struct, with the addresses of arrays and the values of numbers by name."""
        layout, fields, named = _packing(self.arguments)
        filled = fields.copy()
        for place, name in named:
            filled[place] = values[name]
        return layout.pack(*filled)


@functools.lru_cache(maxsize=4096)
def _packing(arguments: tuple[Argument, ...]) -> tuple[struct.Struct, list[Any], list[tuple[int, str]]]:
    """Return the layout of a struct, what its fields are, and which are to be filled in by name."""
    kinds = ["d" if isinstance(value, float) or _is_number(value) else "q" for value in arguments]
    named = [(place, value) for place, value in enumerate(arguments) if isinstance(value, str)]
    return struct.Struct("".join(kinds)), [0 if value is None else value for value in arguments], named


def _is_number(value: Argument) -> bool:
    return isinstance(value, str) and value.startswith(NUMBER)


class Plan(NamedTuple):
    """What a call with arrays of some shapes, dtypes and layouts does.

    Parameters
    ----------
    form, reason
        For `explain`: the variant, and why this one.
    launches
        In order, on one stream.
    scratch
        Bytes of work space, which launches know as ``"work"``.
    copies
        Arguments that first become contiguous, since no kernel takes them as they lie.
    fill
        What the results are full of, if there is nothing to compute.
    """

    form: str
    reason: str
    launches: tuple[Launch, ...] = ()
    scratch: int = 0
    copies: tuple[str, ...] = ()
    fill: float | None = None


def grid_of(jobs: int, at_most: int) -> int:
    """Return how many blocks work on so many jobs: each takes several in turn if they are more than ``at_most``."""
    return max(1, min(jobs, at_most))


def power_of_two(value: int) -> int:
    """Return the smallest power of two that is at least ``value``."""
    return 1 << max(0, value - 1).bit_length()
