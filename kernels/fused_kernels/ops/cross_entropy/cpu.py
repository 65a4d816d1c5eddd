"""cross_entropy in Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import elements_at
from fused_kernels.cpu.compile import Kernel, inline_reduction, kernel, machine_code
from fused_kernels.cpu.kit import Kit
from fused_kernels.cpu.log_sum_exp import largest, log_sum_exp
from fused_kernels.cpu.loops.forms import shares_of, skipped
from fused_kernels.cpu.loops.rows import BLOCK
from fused_kernels.cpu.vector_math import exp_nonpositive
from fused_kernels.cpu.views import LIKE, array_at, part_of
from fused_kernels.dispatch import FLOATS

from .launch import attempt, integers_at, launch, load_task, summed

__all__ = ["attempt", "losses", "total"]

_PARALLEL_FROM = 24 << 10
_double_at = elements_at(types.float64)


@inline_reduction
def _hard_loss(row: Any, index: Any, _smoothing: Any) -> Any:
    top, rest = log_sum_exp(row)
    # In this order: of large logits only the differences have digits to spare.
    return rest - (row[index] - top)


@inline_reduction
def _smoothed_loss(row: Any, index: Any, place: Any) -> Any:
    smoothing = _double_at(place)[0]
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


class Losses:
    """The loop over rows, with as many threads as pay for its size.

    Attributes
    ----------
    kit
        What `launch.attempt` takes; it serves a dtype once `run` was called for it, without smoothing.
    """

    def __init__(self) -> None:
        self._cores: dict[tuple[Any, bool], int] = {}
        self.kit = np.array(Kit(0, 0, _PARALLEL_FROM, threads.board))

    def run(self, x: Any, target: Any, losses: Any, ignored: int, smoothing: float | None = None) -> None:
        """Run it with logits of shape (rows, classes), target and result of shape (rows,).

        A row whose target is out of range is left out of the result: look for it with `total`.
        """
        shares = shares_of(x.nbytes, _PARALLEL_FROM)
        if skipped(x.nbytes, shares, parallel_from=_PARALLEL_FROM):
            return
        core = self._core(x.dtype, smoothing is not None)
        launch(threads.state(shares), shares, core, x, target, losses, ignored, smoothing)

    def _core(self, dtype: Any, smoothed: bool) -> int:
        if (dtype, smoothed) not in self._cores:
            name = f"cross_entropy.{'smoothed.' if smoothed else ''}{dtype}"
            core = kernel(name)(_core_of(_smoothed_loss if smoothed else _hard_loss, LIKE[dtype]))
            self._cores[dtype, smoothed] = machine_code(core, 3)
            if not smoothed:
                self.kit[FLOATS.index(dtype)] = self._cores[dtype, smoothed]
        return self._cores[dtype, smoothed]


def _core_of(loss: Kernel, like: Any) -> Kernel:
    """Return one share of the loop over all rows, from ``loss(row, index, smoothing)``."""

    def core(at: int, share: int, shares: int) -> None:
        task = load_task(at)
        target, losses = integers_at(task.target), array_at(like, task.losses, task.rows)
        for i in range(share * task.rows // shares, (share + 1) * task.rows // shares):
            index = target[i]
            if index == task.ignored:
                losses[i] = 0
            elif 0 <= index < task.classes:
                losses[i] = loss(array_at(like, task.x + i * task.x_step, task.classes), index, task.smoothing)

    return core


losses = Losses()


@kernel("cross_entropy.total")
def total(losses: Any, target: Any, ignored: int, classes: int) -> Any:
    """Return the sum of the losses, how many of them count, and the first row whose target is out of range, or -1."""
    for i in range(target.size):
        if target[i] != ignored and not 0 <= target[i] < classes:
            return 0.0, 0, i
    return (*summed(losses, target, target.size, ignored), -1)
