"""softmax in Numba: over rows, and over any other axis, where the columns of a block are worked on side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline, inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.forms import Forms
from fused_kernels.cpu.intrinsics import larger
from fused_kernels.cpu.rows import BLOCK, row_forms
from fused_kernels.cpu.vector_math import exp_nonpositive

_PARALLEL_FROM = 48 << 10
_WIDTH = 256
"""Columns worked on together: their maxima and sums stay in the first-level cache."""

_ROWS = 512
"""Rows summed apart, for the same reason as `BLOCK`."""


@inline_reduction
def _top(x: Any) -> Any:
    top = x[0]
    for j in range(x.size):
        top = larger(top, x[j])
    return top


@inline_reduction
def _exponentials(x: Any, top: Any, out: Any) -> Any:
    """Write ``exp(x - top)`` and return the sum."""
    total = x.dtype.type(0)
    for j in range(x.size):
        power = exp_nonpositive(x[j] - top)
        out[j] = power
        total += power
    return total


# Without reassociation, under which LLVM makes a division for each element of the product with the reciprocal.
@inline
def _divide(x: Any, total: Any) -> None:
    share = x.dtype.type(1) / total
    for j in range(x.size):
        x[j] *= share


def _row(x: Any, out: Any) -> None:
    top = _top(x)
    _divide(out, _exponentials(x, top, out))


def _long_row(x: Any, out: Any) -> None:
    top, total = _top(x), x.dtype.type(0)
    for first in range(0, x.size, BLOCK):
        total += _exponentials(x[first : first + BLOCK], top, out[first : first + BLOCK])
    _divide(out, total)


LONG = BLOCK
"""Columns above which `long_rows` is the one to take; shorter rows would pay a quarter for its loop over one block."""
rows = row_forms("softmax.rows", _row, parallel_from=_PARALLEL_FROM)
long_rows = row_forms("softmax.long_rows", _long_row, parallel_from=_PARALLEL_FROM)


@inline_reduction
def _columns(x: Any, out: Any, first: Any, last: Any) -> Any:
    """Work on the columns ``first:last`` of one block, shape (n, inner)."""
    top, total, part = x[0, first:last].copy(), np.zeros(last - first, x.dtype), np.zeros(last - first, x.dtype)
    for i in range(1, x.shape[0]):
        _raise(top, x[i][first:last])
    for i in range(x.shape[0]):
        _add_exponentials(x[i][first:last], top, out[i][first:last], part)
        if i % _ROWS == _ROWS - 1:
            total += part
            part[:] = 0
    total += part
    for j in range(total.size):
        total[j] = x.dtype.type(1) / total[j]
    for i in range(x.shape[0]):
        _multiply(out[i][first:last], total)


# Loops over whole arrays, not over x[i, first + j]: an index of unknown sign keeps a loop scalar.
@inline_reduction
def _raise(top: Any, row: Any) -> None:
    for j in range(row.size):
        top[j] = larger(top[j], row[j])


@inline_reduction
def _add_exponentials(row: Any, top: Any, out: Any, total: Any) -> None:
    for j in range(row.size):
        power = exp_nonpositive(row[j] - top[j])
        out[j] = power
        total[j] += power


@inline
def _multiply(row: Any, factors: Any) -> None:
    for j in range(row.size):
        row[j] *= factors[j]


def _share(share: Any, shares: Any, x: Any, out: Any) -> Any:
    """Work on one of so many shares of all strips of all blocks."""
    inner = x.shape[2]
    strips = (inner + _WIDTH - 1) // _WIDTH
    units = x.shape[0] * strips
    for unit in range(share * units // shares, (share + 1) * units // shares):
        block, first = unit // strips, unit % strips * _WIDTH
        _columns(x[block], out[block], first, min(first + _WIDTH, inner))


_one_share = inline_reduction(_share)


@kernel("softmax.columns.direct")
def _direct(x: Any, out: Any) -> None:
    _one_share(0, 1, x, out)


columns = Forms(_direct, parallel("softmax.columns.parallel", _one_share), None, _PARALLEL_FROM, streams=False)
"""Run with ``x`` and ``out`` of shape (blocks, n, inner), which must not overlap; over n."""
