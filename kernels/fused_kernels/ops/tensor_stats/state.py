"""What is known of the values seen so far: by the kernel while it runs, and joined over threads at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

    def outcome(self) -> Outcome:
        """Return what all threads know together."""
        return Outcome.of([self])

    def parts(self) -> list[tuple[list[float], list[int], np.ndarray[Any, Any]]]:
        """Return ``(numbers, tallies, counts)`` of each thread."""
        numbers, tallies = self.numbers[:, : SCALE + 1].tolist(), self.tallies[:, : FIRST + 1].tolist()
        return list(zip(numbers, tallies, self.counts, strict=True))


class Outcome:
    """What several threads know, as one.

    Parameters
    ----------
    state
        Whose.
    parts
        ``(numbers, tallies, counts)`` of each thread.
    """

    def __init__(self, state: State, parts: list[tuple[list[float], list[int], np.ndarray[Any, Any]]]) -> None:
        self.zeros, self.nan, self.inf = (sum(part[1][place] for part in parts) for place in (ZEROS, NAN, INF))
        self._state, self._parts = state, [part for part in parts if part[1][FINITE]]
        self.low = min((part[0][LOW] for part in self._parts), default=math.inf)
        self.high = max((part[0][HIGH] for part in self._parts), default=-math.inf)

    @property
    def is_finite(self) -> bool:
        """Whether there was a finite value."""
        return bool(self._parts)

    @classmethod
    def of(cls, states: Sequence[State]) -> Outcome:
        """Return what several states know, which have the same bins, dtype and unit."""
        return cls(states[0], [part for state in states for part in state.parts()])

    def moments(self) -> tuple[float, float]:
        """Return the mean and the standard deviation."""
        origin, count, mean, squares = self._parts[0][0][ORIGIN], 0, 0.0, 0.0
        for numbers, tallies, _ in self._parts:
            more = tallies[FINITE]
            off, count = numbers[MEAN] + (numbers[ORIGIN] - origin) - mean, count + more
            squares += numbers[SQUARES] + off * off * ((count - more) / count * more)
            mean += off * (more / count)
        unit = self._state.unit
        return (origin + mean) / unit, math.sqrt(squares / count) / unit

    def stats(self, count: int, moments: tuple[float, float]) -> TensorStats:
        """Return the statistics of all ``count`` values, whose moments may come from another pass."""
        if not self.is_finite:
            return TensorStats.without_values(count, self.nan, self.inf)
        low, high = self.low, self.high
        counts, edges = self._histogram()
        mean, absmax = min(max(moments[0], low), high), max(abs(low), abs(high))
        # A zero is shown without its sign, which depends on who came first.
        shown = low + 0.0, high + 0.0, mean + 0.0, moments[1], absmax
        return TensorStats(count, *shown, self.zeros, self.nan, self.inf, counts, edges)

    def _histogram(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        bins = self._state.bins
        if not bins:
            return np.zeros(0, np.int64), np.zeros(0)
        power = grid.final_power(self.low, self.high, bins, *self._state.limits)
        edges = grid.edges_of(self.low, self.high, power)
        joined, first = np.zeros(edges.size - 1, np.int64), int(grid.cell(self.low, math.ldexp(1.0, -power)))
        for _, tallies, counts in self._parts:
            coarser, start = power - tallies[POWER], tallies[FIRST]
            if coarser == 0:
                # Bins that lie outside are empty.
                begin, end = max(0, first - start), min(bins, first - start + joined.size)
                joined[begin + start - first : end + start - first] += counts[begin:end]
            else:
                used = np.flatnonzero(counts)
                np.add.at(joined, [((start + b) >> coarser) - first for b in used.tolist()], counts[used])
        return joined, edges
