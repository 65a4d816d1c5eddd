"""layer_norm in Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline_reduction
from fused_kernels.cpu.rows import BLOCK, row_forms

_PARALLEL_FROM = 128 << 10


@inline_reduction
def _sum(x: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        total += x[j]
    return total


@inline_reduction
def _sum_of_squares(x: Any, mean: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        off = x[j] - mean
        total += off * off
    return total


@inline_reduction
def _moments(x: Any, eps: Any) -> Any:
    """Return the mean and the reciprocal of the standard deviation of a row, in two passes for accuracy."""
    dtype = x.dtype.type
    total = np.float64(0)  # of few blocks, so that it costs nothing and does not drift
    for first in range(0, x.size, BLOCK):
        total += _sum(x[first : first + BLOCK])
    mean = dtype(total / x.size)
    squares = np.float64(0)
    for first in range(0, x.size, BLOCK):
        squares += _sum_of_squares(x[first : first + BLOCK], mean)
    return mean, dtype(1) / math.sqrt(dtype(squares / x.size) + dtype(eps))


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
