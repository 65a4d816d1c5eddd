"""add_layer_norm in Numba."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.loops.launch import attempt_pair
from fused_kernels.cpu.loops.rows import pair_forms
from fused_kernels.cpu.normalise import shift_and_scale, shift_scale_and_affine, standard

__all__ = ["affine", "attempt_pair", "plain"]

_PARALLEL_FROM = 48 << 10


@inline
def _add(x: Any, residual: Any, total: Any) -> None:
    for j in range(x.size):
        total[j] = x[j] + residual[j]


def _plain(x: Any, residual: Any, out: Any, total: Any, eps: float) -> None:
    _add(x, residual, total)
    level, factor, rest = standard(total, eps)
    shift_and_scale(total, level, factor, rest, out)


def _affine(x: Any, residual: Any, out: Any, total: Any, weight: Any, bias: Any, eps: float) -> None:
    _add(x, residual, total)
    level, factor, rest = standard(total, eps)
    shift_scale_and_affine(total, level, factor, rest, weight, bias, out)


plain = pair_forms("add_layer_norm.plain", _plain, parallel_from=_PARALLEL_FROM)
affine = pair_forms("add_layer_norm.affine", _affine, parallel_from=_PARALLEL_FROM)
