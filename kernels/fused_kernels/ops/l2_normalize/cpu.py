"""l2_normalize in Numba: over rows, and over any other axis, where columns are worked on side by side."""

from __future__ import annotations

import math
from typing import Any

from fused_kernels.cpu.compile import inline, inline_reduction
from fused_kernels.cpu.loops.columns import ColumnForms, collect, finish, partial_sums, strip_of
from fused_kernels.cpu.loops.launch import attempt
from fused_kernels.cpu.loops.rows import row_forms
from fused_kernels.cpu.moments import sum_of_squares
from fused_kernels.cpu.normalise import multiply

__all__ = ["attempt", "columns", "rows"]

_PARALLEL_FROM = 48 << 10


@inline
def _factor(squares: Any, eps: Any) -> Any:
    norm = math.sqrt(squares)
    # A NaN fails the comparison and stays.
    return type(norm)(1) / (eps if norm < eps else norm)


def _row(x: Any, out: Any, eps: float) -> None:
    multiply(x, _factor(sum_of_squares(x), x.dtype.type(eps)), out)


rows = row_forms("l2_normalize.rows", _row, parallel_from=_PARALLEL_FROM)


def _strip(x: Any, out: Any, first: Any, last: Any, eps: float) -> None:
    sums = partial_sums(x, last - first)
    for i in range(x.shape[0]):
        _add_squares(strip_of(x, i, first, last), sums[0])
        collect(i, sums)
    total = finish(sums)
    for j in range(total.size):
        total[j] = _factor(total[j], x.dtype.type(eps))
    for i in range(x.shape[0]):
        _multiply_each(strip_of(x, i, first, last), total, strip_of(out, i, first, last))


# Loops over whole arrays, not over x[i, first + j]: an index of unknown sign keeps a loop scalar.
@inline_reduction
def _add_squares(row: Any, total: Any) -> None:
    for j in range(row.size):
        total[j] += row[j] * row[j]


@inline
def _multiply_each(row: Any, factors: Any, out: Any) -> None:
    for j in range(row.size):
        out[j] = row[j] * factors[j]


columns = ColumnForms("l2_normalize.columns", _strip, parallel_from=_PARALLEL_FROM)
