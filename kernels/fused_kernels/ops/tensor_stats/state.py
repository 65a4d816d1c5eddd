"""What is known of the values seen so far: by the kernel while it runs, and joined over threads at the end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import grid
from .result import TensorStats

LOW, HIGH, ORIGIN, MEAN, SQUARES, NEAR, SCALE = range(7)
"""Places in ``numbers``: the range; a number near all, the mean less that number, the sum of squared deviations; a
number near those that come next; ``2**-POWER``."""
FINITE, ZEROS, NAN, INF, POWER, FIRST = range(6)
"""Places in ``tallies``: how many of each kind; the grid, whose bin 0 begins at ``FIRST * 2**POWER``."""
NO_GRID = -(1 << 20)
_APART = 64

TILE, PLANES, LANES = 4096, 6, 8
"""Values that are measured at once, which with their planes stay in the first-level cache; see `tile`."""
WORDS = TILE // 64
WORK = (PLANES + 16) * WORDS + (LANES << PLANES) + 8
"""Words of work space that a thread needs, beside one tile: planes, eighths, and counts by lane."""


class State:
    """The knowledge of so many threads, a row for each.

    Parameters
    ----------
    threads, bins
        How many of each.
    dtype
        In which values are compared and binned: float32 or float64.
    unit
        Moments are those of the values times it: a power of two, where their squares would leave float64's range.
    """

    def __init__(self, threads: int, bins: int, dtype: np.dtype[Any], unit: float = 1.0) -> None:
        self.threads, self.bins, self.limits, self.unit = threads, bins, grid.precision(dtype), unit
        # A thread's rows lie on cache lines of their own, else each would wait for the other at every tile.
        self.numbers = np.zeros((threads, _APART))
        self.numbers[:, LOW], self.numbers[:, HIGH] = math.inf, -math.inf
        self.tallies = np.zeros((threads, _APART), np.int64)
        self.tallies[:, POWER] = NO_GRID
        self.counts = np.zeros((threads, bins), np.int64)
        # Made here, since what Numba allocates it counts references to, at every tile.
        work = np.zeros((threads, WORK + TILE * dtype.itemsize // 8), np.int64)
        self.for_kernel = (bins, *self.limits, unit), (self.numbers, self.tallies, self.counts, work)

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest finite value; inf and -inf if there is none."""
        return float(self.numbers[:, LOW].min()), float(self.numbers[:, HIGH].max())

    @property
    def finite(self) -> int:
        """How many finite values there were."""
        return int(self.tallies[:, FINITE].sum())

    def moments(self) -> tuple[float, float]:
        """Return the mean and the standard deviation of at least one finite value."""
        parts = [
            (numbers, tallies[FINITE])
            for numbers, tallies in zip(self.numbers.tolist(), self.tallies.tolist(), strict=True)
            if tallies[FINITE]
        ]
        origin, count, mean, squares = parts[0][0][ORIGIN], 0, 0.0, 0.0
        for numbers, more in parts:
            off, count = numbers[MEAN] + (numbers[ORIGIN] - origin) - mean, count + more
            squares += numbers[SQUARES] + off * off * ((count - more) / count * more)
            mean += off * (more / count)
        return (origin + mean) / self.unit, math.sqrt(squares / count) / self.unit

    def result(self, count: int, moments: tuple[float, float]) -> TensorStats:
        """Return the statistics of all ``count`` values, of which some are finite."""
        zeros, nan, inf = (int(self.tallies[:, place].sum()) for place in (ZEROS, NAN, INF))
        low, high = self.range
        counts, edges = self._histogram(low, high)
        mean, absmax = min(max(moments[0], low), high), max(abs(low), abs(high))
        # A zero is shown without its sign, which depends on who came first.
        return TensorStats(count, low + 0.0, high + 0.0, mean + 0.0, moments[1], absmax, zeros, nan, inf, counts, edges)

    def _histogram(self, low: float, high: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        if not self.bins:
            return np.zeros(0, np.int64), np.zeros(0)
        power = grid.final_power(low, high, self.bins, *self.limits)
        edges = grid.edges_of(low, high, power)
        joined, first = np.zeros(edges.size - 1, np.int64), int(grid.cell(low, math.ldexp(1.0, -power)))
        for tallies, counts in zip(self.tallies.tolist(), self.counts, strict=True):
            if tallies[FINITE]:
                used = np.flatnonzero(counts)
                places = [((tallies[FIRST] + b) >> (power - tallies[POWER])) - first for b in used.tolist()]
                np.add.at(joined, places, counts[used])
        return joined, edges
