"""softmax in Numba: over rows, and over any other axis, where the columns of a block are worked on side by side."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from fused_kernels.cpu.compile import inline_reduction, kernel
from fused_kernels.cpu.forms import Forms
from fused_kernels.cpu.intrinsics import larger
from fused_kernels.cpu.rows import row_forms
from fused_kernels.cpu.vector_math import exp

_PARALLEL_FROM = 48 << 10
_WIDTH = 256
"""Columns worked on together: their maxima and sums stay in the first-level cache."""


def _row(x: Any, out: Any) -> None:
    top = x[0]
    for j in range(x.size):
        top = larger(top, x[j])
    total = x.dtype.type(0)
    for j in range(x.size):
        power = exp(x[j] - top)
        out[j] = power
        total += power
    share = x.dtype.type(1) / total
    for j in range(x.size):
        out[j] *= share


rows = row_forms("softmax.rows", _row, parallel_from=_PARALLEL_FROM)


@inline_reduction
def _columns(x: Any, out: Any, first: Any, last: Any) -> Any:
    """Work on the columns ``first:last`` of one block, shape (n, inner)."""
    width = last - first
    top, total = np.empty(_WIDTH, x.dtype), np.zeros(_WIDTH, x.dtype)
    for j in range(width):
        top[j] = x[0, first + j]
    for i in range(1, x.shape[0]):
        for j in range(width):
            top[j] = larger(top[j], x[i, first + j])
    for i in range(x.shape[0]):
        for j in range(width):
            power = exp(x[i, first + j] - top[j])
            out[i, first + j] = power
            total[j] += power
    for j in range(width):
        total[j] = x.dtype.type(1) / total[j]
    for i in range(x.shape[0]):
        for j in range(width):
            out[i, first + j] *= total[j]


@inline_reduction
def _units(x: Any, out: Any, share: Any, shares: Any) -> Any:
    """Work on one of so many shares of all strips of all blocks."""
    inner = x.shape[2]
    strips = (inner + _WIDTH - 1) // _WIDTH
    units = x.shape[0] * strips
    for unit in range(share * units // shares, (share + 1) * units // shares):
        block, first = unit // strips, unit % strips * _WIDTH
        _columns(x[block], out[block], first, min(first + _WIDTH, inner))


@kernel("softmax.columns.direct")
def _direct(x: Any, out: Any) -> None:
    _units(x, out, 0, 1)


@kernel("softmax.columns.parallel", parallel=True)
def _parallel(threads: int, x: Any, out: Any) -> None:
    for share in numba.prange(threads):
        _units(x, out, share, threads)


columns = Forms(_direct, _parallel, None, None, _PARALLEL_FROM, streams=False)
"""Run with ``x`` and ``out`` of shape (blocks, n, inner), which must not overlap; over n."""
