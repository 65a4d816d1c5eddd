"""log_softmax in Numba: over rows, and over any other axis, where columns are worked on side by side."""

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.compile import inline, inline_reduction
from fused_kernels.cpu.log_sum_exp import log_sum_exp, raise_each
from fused_kernels.cpu.loops.columns import ColumnForms, collect, finish, partial_sums, strip_of
from fused_kernels.cpu.loops.launch import attempt
from fused_kernels.cpu.loops.rows import row_forms
from fused_kernels.cpu.vector_math import exp_nonpositive, log

__all__ = ["attempt", "columns", "rows"]

_PARALLEL_FROM = 24 << 10


# In this order, not x - (top + rest): of large logits only the differences have digits to spare.
@inline
def _subtract(x: Any, top: Any, rest: Any, out: Any) -> None:
    for j in range(x.size):
        out[j] = (x[j] - top) - rest


def _row(x: Any, out: Any) -> None:
    top, rest = log_sum_exp(x)
    _subtract(x, top, rest, out)


rows = row_forms("log_softmax.rows", _row, parallel_from=_PARALLEL_FROM)


def _strip(x: Any, out: Any, first: Any, last: Any) -> None:
    top = x[0, first:last].copy()
    sums = partial_sums(x, last - first)
    for i in range(1, x.shape[0]):
        raise_each(top, strip_of(x, i, first, last))
    for i in range(x.shape[0]):
        _add_exponentials(strip_of(x, i, first, last), top, sums[0])
        collect(i, sums)
    total = finish(sums)
    _logarithms(total)
    for i in range(x.shape[0]):
        _subtract_each(strip_of(x, i, first, last), top, total, strip_of(out, i, first, last))


# Loops over whole arrays, not over x[i, first + j]: an index of unknown sign keeps a loop scalar.
@inline_reduction
def _add_exponentials(row: Any, top: Any, total: Any) -> None:
    for j in range(row.size):
        total[j] += exp_nonpositive(row[j] - top[j])


@inline
def _logarithms(x: Any) -> None:
    for j in range(x.size):
        x[j] = log(x[j])


@inline
def _subtract_each(row: Any, top: Any, rest: Any, out: Any) -> None:
    for j in range(row.size):
        out[j] = (row[j] - top[j]) - rest[j]


columns = ColumnForms("log_softmax.columns", _strip, parallel_from=_PARALLEL_FROM)
