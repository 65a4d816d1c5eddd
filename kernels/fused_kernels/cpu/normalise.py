"""A row shifted and scaled: the second pass of the operations that normalise."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import math
from typing import Any

from .compile import inline
from .moments import moments

# All here is compiled without reassociation, under which LLVM makes a division again of a product with a reciprocal.


@inline
def standard(x: Any, eps: Any) -> Any:
    """Return level, factor and rest of a row: ``(x[j] - level) * factor + rest`` has mean 0 and variance 1."""
    dtype = x.dtype.type
    level, mean, variance = moments(x)
    factor = reciprocal_root(variance + dtype(eps))
    return level, factor, -mean * factor


@inline
def reciprocal_root(x: Any) -> Any:
    """Return ``1 / sqrt(x)`` in the dtype of ``x``."""
    root = math.sqrt(x)
    return type(root)(1) / root


@inline
def shift_and_scale(x: Any, level: Any, factor: Any, rest: Any, out: Any) -> None:
    """Write what `standard` describes."""
    for j in range(x.size):
        out[j] = (x[j] - level) * factor + rest


@inline
def shift_scale_and_affine(x: Any, level: Any, factor: Any, rest: Any, weight: Any, bias: Any, out: Any) -> None:
    """Write the same times weight plus bias."""
    for j in range(x.size):
        out[j] = ((x[j] - level) * factor + rest) * weight[j] + bias[j]


@inline
def multiply(x: Any, factor: Any, out: Any) -> None:
    """Write ``x * factor``."""
    for j in range(x.size):
        out[j] = x[j] * factor


@inline
def multiply_and_weight(x: Any, factor: Any, weight: Any, out: Any) -> None:
    """Write ``x * factor * weight``."""
    for j in range(x.size):
        out[j] = x[j] * factor * weight[j]
