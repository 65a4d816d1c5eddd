"""What tensor_stats returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class TensorStats:
    """Statistics of the values of a tensor.

    Parameters
    ----------
    count
        Number of values.
    min, max, mean, std, absmax
        Over the finite values, as float64; NaN where there is none. ``std`` is that of the population.
    zeros, nan, inf
        How many values are zero, NaN, infinite.
    counts
        int64, shape (n,): the finite values in each bin; n is at most the ``bins`` asked for, and more than half of it
        unless the values leave no room for so many. Empty if there are no finite values or no bins.
    edges
        float64, shape (n + 1,), or empty: multiples of a power of two. A bin contains its lower edge, not its upper.
    """

    count: int
    min: float
    max: float
    mean: float
    std: float
    absmax: float
    zeros: int
    nan: int
    inf: int
    counts: np.ndarray[Any, Any]
    edges: np.ndarray[Any, Any]

    @classmethod
    def without_values(cls, count: int, nan: int, inf: int) -> TensorStats:
        """Return the statistics of so many values of which none is finite."""
        nothing = math.nan
        none, empty = np.zeros(0, np.int64), np.zeros(0)
        return cls(count, nothing, nothing, nothing, nothing, nothing, 0, nan, inf, none, empty)

    @property
    def finite(self) -> int:
        """How many values are neither NaN nor infinite."""
        return self.count - self.nan - self.inf

    def __repr__(self) -> str:
        lines = [f"{self.count} values: {self.zeros} zeros, {self.nan} NaN, {self.inf} infinite"]
        if self.finite:
            lines.append(f"  min {self.min:.6g}, max {self.max:.6g}, absmax {self.absmax:.6g}")
            lines.append(f"  mean {self.mean:.6g}, std {self.std:.6g}")
        if self.counts.size:
            low, high = self.edges[0], self.edges[-1]
            bins = "1 bin" if self.counts.size == 1 else f"{self.counts.size} bins"
            lines.append(f"  {bins} from {low:.6g} to {high:.6g}, at most {self.counts.max()} values in one")
        return "\n".join(lines)
