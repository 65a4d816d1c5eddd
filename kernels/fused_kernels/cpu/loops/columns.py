"""Operations along an axis that is not the last: the columns of a block are worked on side by side, strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu import threads
from fused_kernels.cpu.compensated import added
from fused_kernels.cpu.compile import Kernel, inline, inline_reduction
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.views import part_of, row_of
from fused_kernels.dispatch import Array

from .forms import shares_of, skipped

WIDTH = 256
"""Columns of a strip: what is known of each, a sum say, stays in the first-level cache."""
ROWS = 64
"""Rows of a strip that are summed one by one: the roundings of equal numbers go one way, and so add up."""


class ColumnForms:
    """The loop of an operation along the middle axis of (blocks, n, inner); one kernel serves any number of threads.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    strip
        ``strip(x, out, first, last, *parameters)``: computes the columns ``first:last`` of one block, shape (n, inner).
    parallel_from
        Bytes of the result from which threads pay.
    """

    def __init__(self, name: str, strip: Kernel, *, parallel_from: int) -> None:
        self._parallel_from = parallel_from
        self._loop = parallel(name, inline_reduction(_share_of_strips(inline_reduction(strip))))

    def run(self, x: Array, out: Array, *parameters: Any) -> None:
        """Run it on arrays of shape (blocks, n, inner), C-contiguous, which must not overlap, and the parameters."""
        shares = shares_of(out.nbytes, self._parallel_from)
        if not skipped(out.nbytes, shares, parallel_from=self._parallel_from):
            self._loop(threads.state(shares), shares, x, out, *parameters)


def _share_of_strips(one_strip: Kernel) -> Kernel:
    def share_of_strips(share: Any, shares: Any, x: Any, out: Any, *parameters: Any) -> None:
        inner = x.shape[2]
        strips = (inner + WIDTH - 1) // WIDTH
        units = x.shape[0] * strips
        for unit in range(share * units // shares, (share + 1) * units // shares):
            block, first = unit // strips, unit % strips * WIDTH
            one_strip(x[block], out[block], first, min(first + WIDTH, inner), *parameters)

    return share_of_strips


@inline
def partial_sums(x: Any, count: Any) -> Any:
    """Return what the columns of a strip are summed in: a part of the sum, the total so far, and what was lost of it.

    All are 0. A row is added to the part, then `collect` is called; after the last row `finish`.
    """
    dtype = x.dtype
    return np.zeros(count, dtype), np.zeros(count, dtype), np.zeros(count, dtype)


@inline
def collect(i: int, sums: Any) -> None:
    """After row ``i`` was added to the part: move it to the total, if it is the last of `ROWS`."""
    if i % ROWS == ROWS - 1:
        finish(sums)


@inline
def finish(sums: Any) -> Any:
    """Move the part to the total, which is returned."""
    part, total, lost = sums
    for j in range(total.size):
        total[j], lost[j] = added(total[j], lost[j], part[j])
        part[j] = 0
    return total


@inline
def strip_of(x: Any, i: Any, first: Any, last: Any) -> Any:
    """Return ``x[i, first:last]`` of a C-contiguous block, without what a slice costs."""
    return part_of(row_of(x, i), first, last - first)
