"""cross_entropy in Numba."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import math
from typing import Any

from fused_kernels.cpu.compile import Kernel, inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.log_sum_exp import largest, log_sum_exp
from fused_kernels.cpu.loops.forms import Forms
from fused_kernels.cpu.loops.rows import BLOCK
from fused_kernels.cpu.vector_math import exp_nonpositive
from fused_kernels.cpu.views import part_of, row_of

_PARALLEL_FROM = 24 << 10


@inline_reduction
def _loss(row: Any, index: Any) -> Any:
    top, rest = log_sum_exp(row)
    # In this order: of large logits only the differences have digits to spare.
    return rest - (row[index] - top)


@inline_reduction
def _smoothed_loss(row: Any, index: Any, smoothing: Any) -> Any:
    top = largest(row)
    total, below = 0.0, 0.0
    for first in range(0, row.size, BLOCK):
        part = part_of(row, first, min(BLOCK, row.size - first))
        part_total, part_below = _sums(part, top)
        total += part_total
        below += part_below
    # The logarithm falls out of the weighted mean, whose weights are 1 - smoothing and smoothing.
    return math.log(total) - ((1.0 - smoothing) * (row[index] - top) + smoothing * (below / row.size))


@inline_reduction
def _sums(x: Any, top: Any) -> Any:
    """Return the sums of ``exp(x - top)`` and of ``x - top``, in one pass."""
    total, below = x.dtype.type(0), x.dtype.type(0)
    for j in range(x.size):
        difference = x[j] - top
        total += exp_nonpositive(difference)
        below += difference
    return total, below


def _share_of(loss: Kernel) -> Kernel:
    """Return one share of the loop over all rows, from ``loss(row, index, *parameters)``."""

    def share(share: Any, shares: Any, x: Any, target: Any, out: Any, ignored: Any, *parameters: Any) -> None:
        classes = x.shape[1]
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            index = target[i]
            if index == ignored:
                out[i] = 0
            elif 0 <= index < classes:
                out[i] = loss(row_of(x, i), index, *parameters)

    return inline_reduction(share)


_one_share, _one_smoothed_share = _share_of(_loss), _share_of(_smoothed_loss)


@kernel("cross_entropy.serial")
def _serial(x: Any, target: Any, out: Any, ignored: Any) -> None:
    _one_share(0, 1, x, target, out, ignored)


@kernel("cross_entropy.smoothed.serial")
def _smoothed_serial(x: Any, target: Any, out: Any, ignored: Any, smoothing: Any) -> None:
    _one_smoothed_share(0, 1, x, target, out, ignored, smoothing)


losses = Forms(_serial, parallel("cross_entropy.parallel", _one_share), None, _PARALLEL_FROM, streams=False)
"""Run with logits of shape (rows, classes), target and result of shape (rows,), and the index that is ignored.

A row whose target is out of range is left out of the result: look for it with `total`.
"""

smoothed_losses = Forms(
    _smoothed_serial,
    parallel("cross_entropy.smoothed.parallel", _one_smoothed_share),
    None,
    _PARALLEL_FROM,
    streams=False,
)
"""Run as `losses`, and with ``label_smoothing``."""


@kernel("cross_entropy.total")
def total(losses: Any, target: Any, ignored: int, classes: int) -> Any:
    """Return the sum of the losses, how many of them count, and the first row whose target is out of range, or -1."""
    summed, counted = 0.0, 0
    for i in range(target.size):
        if target[i] != ignored:
            if not 0 <= target[i] < classes:
                return summed, counted, i
            summed += losses[i]
            counted += 1
    return summed, counted, -1
