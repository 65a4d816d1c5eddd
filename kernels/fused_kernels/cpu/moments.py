"""Sums, means and variances of a row in one pass, with no error that grows with its length."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compensated import added
from .compile import inline, inline_reduction
from .loops.rows import BLOCK
from .views import part_of

_HEAD = 16
"""Elements whose mean is near that of the block: few, since everything else waits for them."""
_CANCELLED = 0.875
"""Share of the squares from which they are summed again, about a better level."""


@inline_reduction
def moments(x: Any) -> Any:
    """Return what the mean and the variance of a row are made of: a level, the mean less that level, and the variance.

    All three have the dtype of the row; the level is a number near the mean.

    The textbook's one pass, sum(x) and sum(x * x), loses all digits where the mean is large and the spread small; two
    passes read the row twice and round the mean. Here the sums are those of ``x - level``, where the level is the mean
    of the first 16 elements. Commonly a sixteenth of the squares cancels; where it is seven eighths or more, since
    these 16 are of another kind than the rest, the sums are made again about the mean that they gave.
    """
    if x.size > BLOCK:
        return _long_moments(x)
    level, total, squares = _sums(x)
    return _finished(level, total, squares, x.dtype.type(1) / x.dtype.type(x.size))


@inline
def _finished(level: Any, total: Any, squares: Any, per_count: Any) -> Any:
    # Products with a reciprocal that is the same for all rows are sooner done than divisions.
    mean = total * per_count
    # Squares that overflowed alone are a variance of inf, as in NumPy.
    spread = squares - total * mean if squares < np.inf else squares
    return level, mean, (spread - spread if spread < 0 else spread) * per_count


@inline_reduction
def _long_moments(x: Any) -> Any:
    dtype = x.dtype.type
    level, total, squares, lost, lost_squares = dtype(0), 0.0, 0.0, 0.0, 0.0
    for first in range(0, x.size, BLOCK):
        block = part_of(x, first, min(BLOCK, x.size - first))
        local, one, two = _sums(block)
        if first == 0:
            level = local
        # From sums about the block's own level to sums about the row's.
        off = np.float64(local) - np.float64(level)
        total, lost = added(total, lost, one + block.size * off)
        squares, lost_squares = added(squares, lost_squares, two + off * (2 * np.float64(one) + block.size * off))
    _, mean, variance = _finished(level, total, squares, np.float64(1) / x.size)
    return level, dtype(mean), dtype(variance)


@inline_reduction
def sum_of_squares(x: Any) -> Any:
    """Return ``sum(x * x)`` of a row in its dtype."""
    if x.size <= BLOCK:
        return _squares(x)
    total, lost = 0.0, 0.0
    for first in range(0, x.size, BLOCK):
        total, lost = added(total, lost, _squares(part_of(x, first, min(BLOCK, x.size - first))))
    return x.dtype.type(total)


@inline
def _sums(block: Any) -> Any:
    """Return a level, and the sum and the sum of squares of what the elements are off it."""
    dtype = block.dtype.type
    level = _level(block)
    total, squares = _sums_about(block, level)
    if total * total > dtype(_CANCELLED) * squares * dtype(block.size):
        level += total / dtype(block.size)
        total, squares = _sums_about(block, level)
    return level, total, squares


@inline
def _level(block: Any) -> Any:
    # About the first element, so that a constant row has exactly its constant as level.
    dtype = block.dtype.type
    if block.size < _HEAD:
        return block[0] + _off(block, block[0]) / dtype(block.size)
    return block[0] + _off(part_of(block, 0, _HEAD), block[0]) * dtype(1 / _HEAD)


@inline_reduction
def _off(x: Any, origin: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        total += x[j] - origin
    return total


@inline_reduction
def _sums_about(x: Any, level: Any) -> Any:
    total, squares = x.dtype.type(0), x.dtype.type(0)
    for j in range(x.size):
        off = x[j] - level
        total += off
        squares += off * off
    return total, squares


@inline_reduction
def _squares(x: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total
