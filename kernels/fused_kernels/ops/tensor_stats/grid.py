"""Dyadic grids: bins whose width is a power of two and whose edges are multiples of it.

Two bins of such a grid are exactly one of the next coarser, so that a histogram can begin before the range is known:
when a value falls outside, neighbours are merged and the counting goes on. The grid that is left at the end is a
function of the range alone, whoever counted and in whatever order.

The functions here are plain Python, and are also compiled into the kernel.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

_LARGEST = float(np.finfo(np.float64).max)


@functools.cache
def precision(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the binary digits of a dtype after the first, and the exponent of its smallest normal number."""
    info = np.finfo(dtype)
    return int(info.nmant), int(info.minexp)


def cell(value: float, scale: float) -> float:
    """Return ``floor(value * scale)`` as a float, -1 for a negative value that underflows."""
    number = np.floor(value * scale)
    return -1.0 if value < 0.0 and number == 0.0 else number


def power_of(low: float, high: float, bins: int, digits: int, smallest: int) -> int:
    """Return the power of two that is the width of the narrowest bins of which at most ``bins`` cover the range.

    That of a range is never above that of a wider one.

    Parameters
    ----------
    low, high
        The range; both finite.
    bins
        At least 2, since no bin of any grid holds both -1 and 1.
    digits, smallest
        As `precision` returns them. Narrower bins than ``greatest * 2**-digits`` would lie between two numbers.
    """
    greatest = max(abs(low), abs(high))
    least = max(math.frexp(greatest)[1] - digits, smallest) if greatest > 0.0 else smallest
    if low == high:
        return least
    spread = high - low
    # The spread of two finite numbers can be twice the greatest of all.
    exponent = math.frexp(spread)[1] if spread < math.inf else 1025
    halvings = 0
    while 1 << halvings < bins:
        halvings += 1
    power = max(exponent - 2 - halvings, least)
    scale = math.ldexp(1.0, -power)
    while cell(high, scale) - cell(low, scale) >= bins:
        power, scale = power + 1, 0.5 * scale
    return power


def final_power(low: float, high: float, bins: int, digits: int, smallest: int) -> int:
    """Return the power of the grid that is shown: where all values are one, the bin from a power of two to the next."""
    if low != high:
        return power_of(low, high, bins, digits, smallest)
    return max(math.frexp(low)[1] - 1, smallest) if low else 0


def edges_of(low: float, high: float, power: int) -> np.ndarray[Any, Any]:
    """Return the edges of the bins from that of ``low`` to that of ``high``, float64; none beyond float64's range."""
    scale = math.ldexp(1.0, -power)
    cells: np.ndarray[Any, Any] = np.arange(cell(low, scale), cell(high, scale) + 2)
    if power > 960:
        with np.errstate(over="ignore"):
            return np.asarray(np.clip(np.ldexp(cells, power), -_LARGEST, _LARGEST))
    edges: np.ndarray[Any, Any] = np.ldexp(cells, power)
    return edges
