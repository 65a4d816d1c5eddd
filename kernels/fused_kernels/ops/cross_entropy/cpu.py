"""cross_entropy in Numba."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

from fused_kernels.cpu.compile import inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.log_sum_exp import log_sum_exp
from fused_kernels.cpu.loops.forms import Forms
from fused_kernels.cpu.views import row_of

_PARALLEL_FROM = 24 << 10


def _share(share: Any, shares: Any, x: Any, target: Any, out: Any, ignored: Any) -> None:
    classes = x.shape[1]
    for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
        index = target[i]
        if index == ignored:
            out[i] = 0
        elif 0 <= index < classes:
            row = row_of(x, i)
            top, rest = log_sum_exp(row)
            # In this order: of large logits only the differences have digits to spare.
            out[i] = rest - (row[index] - top)


_one_share = inline_reduction(_share)


@kernel("cross_entropy.serial")
def _serial(x: Any, target: Any, out: Any, ignored: Any) -> None:
    _one_share(0, 1, x, target, out, ignored)


losses = Forms(_serial, parallel("cross_entropy.parallel", _one_share), None, _PARALLEL_FROM, streams=False)
"""Run with logits of shape (rows, classes), target and result of shape (rows,), and the index that is ignored.

A row whose target is out of range is left out of the result: look for it with `total`.
"""


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
