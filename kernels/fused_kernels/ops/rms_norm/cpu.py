"""rms_norm in Numba."""

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.loops.launch import attempt
from fused_kernels.cpu.loops.rows import row_forms
from fused_kernels.cpu.moments import sum_of_squares
from fused_kernels.cpu.normalise import multiply, multiply_and_weight, reciprocal_root

__all__ = ["attempt", "plain", "weighted"]

_PARALLEL_FROM = 48 << 10


@inline
def _factor(x: Any, eps: Any) -> Any:
    dtype = x.dtype.type
    per_count = dtype(1) / dtype(x.size)
    return reciprocal_root(sum_of_squares(x) * per_count + dtype(eps))


def _plain(x: Any, out: Any, eps: float) -> None:
    multiply(x, _factor(x, eps), out)


def _weighted(x: Any, out: Any, weight: Any, eps: float) -> None:
    multiply_and_weight(x, _factor(x, eps), weight, out)


plain = row_forms("rms_norm.plain", _plain, parallel_from=_PARALLEL_FROM)
weighted = row_forms("rms_norm.weighted", _weighted, parallel_from=_PARALLEL_FROM)
