"""softmax in Numba: over rows, and over any other axis, where columns are worked on side by side."""

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.compensated import added
from fused_kernels.cpu.compile import inline, inline_reduction
from fused_kernels.cpu.log_sum_exp import largest, raise_each
from fused_kernels.cpu.loops.columns import ColumnForms, collect, finish, partial_sums, strip_of
from fused_kernels.cpu.loops.launch import attempt
from fused_kernels.cpu.loops.rows import BLOCK, row_forms
from fused_kernels.cpu.vector_math import exp_nonpositive
from fused_kernels.cpu.views import part_of

__all__ = ["attempt", "columns", "rows"]

_PARALLEL_FROM = 48 << 10


def _row(x: Any, out: Any) -> None:
    top = largest(x)
    if x.size <= BLOCK:
        total = _exponentials(x, top, out)
    else:
        total, lost = x.dtype.type(0), x.dtype.type(0)
        for first in range(0, x.size, BLOCK):
            count = min(BLOCK, x.size - first)
            part = _exponentials(part_of(x, first, count), top, part_of(out, first, count))
            total, lost = added(total, lost, part)
    _multiply(out, x.dtype.type(1) / total)


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
def _multiply(x: Any, factor: Any) -> None:
    for j in range(x.size):
        x[j] *= factor


rows = row_forms("softmax.rows", _row, parallel_from=_PARALLEL_FROM)


def _strip(x: Any, out: Any, first: Any, last: Any) -> None:
    top = x[0, first:last].copy()
    sums = partial_sums(x, last - first)
    for i in range(1, x.shape[0]):
        raise_each(top, strip_of(x, i, first, last))
    for i in range(x.shape[0]):
        _add_exponentials(strip_of(x, i, first, last), top, strip_of(out, i, first, last), sums[0])
        collect(i, sums)
    total = finish(sums)
    for j in range(total.size):
        total[j] = x.dtype.type(1) / total[j]
    for i in range(x.shape[0]):
        _multiply_each(strip_of(out, i, first, last), total)


# Loops over whole arrays, not over x[i, first + j]: an index of unknown sign keeps a loop scalar.
@inline_reduction
def _add_exponentials(row: Any, top: Any, out: Any, total: Any) -> None:
    for j in range(row.size):
        power = exp_nonpositive(row[j] - top[j])
        out[j] = power
        total[j] += power


@inline
def _multiply_each(row: Any, factors: Any) -> None:
    for j in range(row.size):
        row[j] *= factors[j]


columns = ColumnForms("softmax.columns", _strip, parallel_from=_PARALLEL_FROM)
