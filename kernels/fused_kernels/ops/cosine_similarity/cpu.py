"""cosine_similarity in Numba: the lengths of the rows, then a product that is scaled while it is in the first cache."""

from __future__ import annotations

import functools

import numpy as np
from numba import types

from fused_kernels import trace
from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import elements_at
from fused_kernels.cpu.array_objects import data_of, given, matrix_of
from fused_kernels.cpu.compile import Kernel, entry, inline_reduction
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.gemm import Epilogue, product
from fused_kernels.cpu.loops.forms import shares_of
from fused_kernels.dispatch import Array

from .small import attempt

__all__ = ["attempt", "cosines"]
_SCALED = Epilogue("scaled", scaled=True)
_PARALLEL_FROM = 512 << 10


def cosines(a: Array, b: Array, eps: float, out: Array) -> None:
    """Set ``out`` to the cosines of the rows of ``a`` (m, k) and ``b`` (n, k), nothing empty, any strides."""
    down = _inverse_lengths(a, eps)
    across = down if b is a else _inverse_lengths(b, eps)
    product(a, b.T, out, epilogue=_SCALED, factors=(down, across))


def _inverse_lengths(x: Array, eps: float) -> Array:
    """Return one over the length of each row, at most one over ``eps``."""
    out = np.empty(x.shape[0], x.dtype)
    if not trace.is_dry():
        shares = shares_of(x.nbytes, _PARALLEL_FROM)
        _lengths(x.dtype.name)(threads.state(shares), shares, (x, eps, out))
    return out


@functools.cache
def _lengths(dtype: str) -> Kernel:
    at, scalar, size = elements_at(getattr(types, dtype)), np.dtype(dtype).type, np.dtype(dtype).itemsize

    @inline_reduction
    def sum_of_squares(place, count, step):  # type: ignore[no-untyped-def]
        row, total = at(place), 0.0
        if step == 1:
            for j in range(count):
                total += np.float64(row[j]) * np.float64(row[j])
        else:
            for j in range(count):
                total += np.float64(row[j * step]) * np.float64(row[j * step])
        return total

    @inline_reduction
    def share_of_rows(share, shares, x, eps, out):  # type: ignore[no-untyped-def]
        rows, result = matrix_of(x), at(data_of(out))
        for i in range(share * rows.rows // shares, (share + 1) * rows.rows // shares):
            # In float64: squares of float32 neither overflow nor vanish, and the sum does not drift.
            total = sum_of_squares(rows.data + i * rows.row_stride, rows.columns, rows.column_stride // size)
            length = np.sqrt(total)
            result[i] = scalar(1.0 / (eps if length < eps else length))

    launch = parallel(f"cosine_similarity.lengths.{dtype}", share_of_rows)
    return entry(launch, types.int64, types.int64, types.StarArgTuple((given, types.float64, given)))
