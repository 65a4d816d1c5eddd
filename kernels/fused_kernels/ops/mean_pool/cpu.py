"""mean_pool in Numba: strips of columns, whose sums stay in the first-level cache, over four tokens at a time."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cpu.compile import inline, inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.loops.columns import ROWS, finish, partial_sums
from fused_kernels.cpu.loops.forms import Forms
from fused_kernels.cpu.views import part_of, row_of

_PARALLEL_FROM = 64 << 10
_WIDTH = 512
"""Columns of a strip."""
_TOKENS = 4 * ROWS
"""Tokens that are summed four by four."""
_LEAST = 1e-9
"""The least count that is divided by."""


def _share(share: Any, shares: Any, x: Any, mask: Any, masked: bool, out: Any) -> None:
    tokens, width = x.shape[1:]
    strips = (width + _WIDTH - 1) // _WIDTH
    units = x.shape[0] * strips
    kept = np.empty(tokens, np.int64)
    part, total, lost = partial_sums(x, _WIDTH)
    for unit in range(share * units // shares, (share + 1) * units // shares):
        batch, first = unit // strips, unit % strips * _WIDTH
        count = min(_WIDTH, width - first)
        number = _kept(row_of(mask, batch), masked, kept)
        sums = part_of(part, 0, count), part_of(total, 0, count), part_of(lost, 0, count)
        _sum(x[batch], part_of(kept, 0, number), first, sums)
        target = part_of(row_of(out, batch), first, count)
        _divide(part_of(total, 0, count), x.dtype.type(max(number, _LEAST)), target)


@inline
def _kept(mask: Any, masked: bool, kept: Any) -> int:
    """Write the numbers of the tokens that count and return how many they are."""
    number = 0
    for token in range(kept.size):
        kept[number] = token
        number += not masked or mask[token] != 0
    return number


@inline
def _sum(x: Any, kept: Any, first: Any, sums: Any) -> None:
    part, total, lost = sums
    count = total.size
    total[:] = lost[:] = 0
    for begin in range(0, kept.size, _TOKENS):
        end = min(begin + _TOKENS, kept.size)
        fours = begin + (end - begin) // 4 * 4
        for i in range(begin, fours, 4):
            _add_four(
                part,
                part_of(row_of(x, kept[i]), first, count),
                part_of(row_of(x, kept[i + 1]), first, count),
                part_of(row_of(x, kept[i + 2]), first, count),
                part_of(row_of(x, kept[i + 3]), first, count),
            )
        for i in range(fours, end):
            _add(part, part_of(row_of(x, kept[i]), first, count))
        finish(sums)


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


_one_share = inline_reduction(_share)


@kernel("mean_pool.serial")
def _serial(x: Any, mask: Any, masked: bool, out: Any) -> None:
    _one_share(0, 1, x, mask, masked, out)


means = Forms(_serial, parallel("mean_pool.parallel", _one_share), None, _PARALLEL_FROM, streams=False)
"""Run with ``x`` of shape (batch, tokens, width), a mask of shape (batch, tokens), whether to look at it, the result.
"""
