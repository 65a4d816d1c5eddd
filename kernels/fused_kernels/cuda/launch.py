"""What a call will do on the GPU, as plain values: made without a GPU, run by a `Library`."""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .source import Kernel

Argument = int | float | str | None
WARP = 32
NUMBER = "#"


class Card(NamedTuple):
    """What a plan needs to know of a GPU.

    Parameters
    ----------
    multiprocessors
        How many there are.
    threads
        How many each has room for at a time: 1024 of sm_75, 1536 of sm_86, 89 and 120, 2048 of others.
    """

    multiprocessors: int
    threads: int

    def blocks(self, threads: int) -> int:
        """Return how many blocks of so many threads fill it once."""
        return self.multiprocessors * max(1, self.threads // threads)


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


@functools.lru_cache(maxsize=4096)
def packer(arguments: tuple[Argument, ...], names: tuple[str, ...]) -> Callable[[Sequence[float]], bytes]:
    """Return what makes the struct of a launch out of the values that stand for ``names``, in their order.

    What does not change from call to call is packed here, once.
    """
    # The value behind the last is 0, for what nothing is given for between the named.
    places = {name: place for place, name in enumerate(names)}
    count = max((place + 1 for place, value in enumerate(arguments) if isinstance(value, str)), default=0)
    if any(isinstance(value, int | float) for value in arguments[:count]):
        raise ValueError("The fields of a kernel's struct begin with what changes from call to call.")
    kinds = "".join("d" if isinstance(value, str) and value.startswith(NUMBER) else "q" for value in arguments[:count])
    chosen = [places[value] if isinstance(value, str) else len(names) for value in arguments[:count]]
    rest = b"".join(struct.pack("d" if isinstance(value, float) else "q", value or 0) for value in arguments[count:])
    if count < 2:  # of one place, itemgetter does not make a tuple
        return lambda values: b"".join(struct.pack(kinds, values[place]) for place in chosen) + rest
    pick: Callable[[Any], Any] = operator.itemgetter(*chosen)
    pack = struct.Struct(kinds).pack
    return lambda values: pack(*pick(values)) + rest


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
