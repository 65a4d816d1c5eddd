"""layer_norm in Numba."""

from __future__ import annotations

import math
from typing import Any

from fused_kernels.cpu.compile import inline_reduction
from fused_kernels.cpu.rows import row_forms

_PARALLEL_FROM = 256 << 10


@inline_reduction
def _moments(x: Any, eps: Any) -> Any:
    """Return the mean and the reciprocal of the standard deviation of a row, in two passes for accuracy."""
    dtype = x.dtype.type
    per_column = dtype(1) / dtype(x.size)
    total = dtype(0)
    for j in range(x.size):
        total += x[j]
    mean = total * per_column
    squares = dtype(0)
    for j in range(x.size):
        off = x[j] - mean
        squares += off * off
    return mean, dtype(1) / math.sqrt(squares * per_column + dtype(eps))


def _plain(x: Any, out: Any, eps: float) -> None:
    mean, per_std = _moments(x, eps)
    for j in range(x.size):
        out[j] = (x[j] - mean) * per_std


def _affine(x: Any, out: Any, weight: Any, bias: Any, eps: float) -> None:
    mean, per_std = _moments(x, eps)
    for j in range(x.size):
        out[j] = (x[j] - mean) * per_std * weight[j] + bias[j]


plain = row_forms("layer_norm.plain", _plain, parallel_from=_PARALLEL_FROM)
affine = row_forms("layer_norm.affine", _affine, parallel_from=_PARALLEL_FROM)
