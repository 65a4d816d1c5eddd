"""layer_norm in Numba."""

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.loops.launch import attempt
from fused_kernels.cpu.loops.rows import row_forms
from fused_kernels.cpu.normalise import shift_and_scale, shift_scale_and_affine, standard

__all__ = ["affine", "attempt", "plain"]

_PARALLEL_FROM = 48 << 10


def _plain(x: Any, out: Any, eps: float) -> None:
    level, factor, rest = standard(x, eps)
    shift_and_scale(x, level, factor, rest, out)


def _affine(x: Any, out: Any, weight: Any, bias: Any, eps: float) -> None:
    level, factor, rest = standard(x, eps)
    shift_scale_and_affine(x, level, factor, rest, weight, bias, out)


plain = row_forms("layer_norm.plain", _plain, parallel_from=_PARALLEL_FROM)
affine = row_forms("layer_norm.affine", _affine, parallel_from=_PARALLEL_FROM)
