"""mean_pool in Numba: strips of columns, whose sums stay in the first-level cache, over four tokens at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import elements_at, on_stack
from fused_kernels.cpu.compile import Kernel, inline, inline_reduction, kernel, machine_code
from fused_kernels.cpu.kit import Kit
from fused_kernels.cpu.loops.columns import ROWS, finish
from fused_kernels.cpu.loops.forms import shares_of, skipped
from fused_kernels.cpu.views import LIKE, array_at
from fused_kernels.dispatch import FLOATS

from .launch import attempt, launch, load_task

__all__ = ["attempt", "means"]

_PARALLEL_FROM = 64 << 10
_WIDTH = 512
"""Columns of a strip."""
_TOKENS = 4 * ROWS
"""Tokens that are summed four by four."""
_LEAST = 1e-9
"""The least count that is divided by."""

_integers_at, _bytes_at = elements_at(types.int64), elements_at(types.uint8)
_kept_room, _sums_room = on_stack(8 * _TOKENS), on_stack(3 * 8 * _WIDTH)


class Means:
    """The loop over texts and strips, with as many threads as pay for its size.

    Attributes
    ----------
    kit
        What `launch.attempt` takes; it serves a dtype once `run` was called for it.
    """

    def __init__(self) -> None:
        self.kit = np.array(Kit(0, 0, _PARALLEL_FROM, threads.board))

    def run(self, x: Any, mask: Any, out: Any) -> None:
        """Run it with ``x`` of shape (batch, tokens, width) or without the first axis, a mask or None, the result."""
        shares = shares_of(x.nbytes, _PARALLEL_FROM)
        if skipped(x.nbytes, shares, parallel_from=_PARALLEL_FROM):
            return
        index = FLOATS.index(x.dtype)
        if not self.kit[index]:
            self.kit[index] = machine_code(kernel(f"mean_pool.{x.dtype}")(_core(LIKE[x.dtype])), 3)
        launch(threads.state(shares), shares, int(self.kit[index]), x, mask, out)


means = Means()


def _core(like: Any) -> Kernel:
    dtype, size = like.dtype.type, like.itemsize

    def core(at: int, share: int, shares: int) -> None:
        task = load_task(at)
        strips = (task.width + _WIDTH - 1) // _WIDTH
        units = task.batch * strips
        room = _sums_room()
        for unit in range(share * units // shares, (share + 1) * units // shares):
            text, first = unit // strips, unit % strips * _WIDTH
            count = min(_WIDTH, task.width - first)
            sums = (
                array_at(like, room, count),
                array_at(like, room + _WIDTH * size, count),
                array_at(like, room + 2 * _WIDTH * size, count),
            )
            number = _sum(like, task, text, first, sums)
            out = array_at(like, task.out + (text * task.width + first) * size, count)
            _divide(sums[1], dtype(max(number, _LEAST)), out)

    return core


@inline
def _sum(like: Any, task: Any, text: Any, first: Any, sums: Any) -> Any:
    """Sum a strip of the tokens of a text that count, and return how many they are."""
    part, total, lost = sums
    part[:] = total[:] = lost[:] = 0
    count, number = total.size, 0
    step = task.width * like.itemsize
    kept = _integers_at(_kept_room())
    for begin in range(0, task.tokens, _TOKENS):
        token = text * task.tokens + begin
        places = task.x + token * step + first * like.itemsize, step
        found = _kept(task, token, min(_TOKENS, task.tokens - begin), places, kept)
        fours = found // 4 * 4
        for i in range(0, fours, 4):
            _add_four(
                part,
                array_at(like, kept[i], count),
                array_at(like, kept[i + 1], count),
                array_at(like, kept[i + 2], count),
                array_at(like, kept[i + 3], count),
            )
        for i in range(fours, found):
            _add(part, array_at(like, kept[i], count))
        finish(sums)
        number += found
    return number


@inline
def _kept(task: Any, token: Any, count: Any, places: Any, kept: Any) -> Any:
    """Write where those of the next ``count`` tokens lie that count, and return how many they are."""
    place, step = places
    if task.mask_step == 0:
        for i in range(count):
            kept[i] = place + i * step
        return count
    if task.mask_step == 1:
        return _chosen(_bytes_at(task.mask + token), count, places, kept)
    return _chosen(_integers_at(task.mask + 8 * token), count, places, kept)


@inline
def _chosen(mask: Any, count: Any, places: Any, kept: Any) -> Any:
    place, step = places
    number = 0
    for i in range(count):
        kept[number] = place + i * step
        number += mask[i] != 0
    return number


@inline_reduction
def _add_four(total: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for j in range(total.size):
        total[j] += (a[j] + b[j]) + (c[j] + d[j])


@inline_reduction
def _add(total: Any, row: Any) -> None:
    for j in range(total.size):
        total[j] += row[j]


@inline
def _divide(total: Any, count: Any, out: Any) -> None:
    for j in range(total.size):
        out[j] = total[j] / count
