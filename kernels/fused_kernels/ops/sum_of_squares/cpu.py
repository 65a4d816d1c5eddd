"""sum_of_squares in Numba.

float32 is summed in blocks, and blocks in float64, so that the error does not grow with the length. A unit of work is
some blocks; the sums of the units are joined in their order, so the result is the same on any number of threads.
"""

# ruff: noqa: PLR0917 (kernels take their arguments by position)
from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import elements_at, on_stack
from fused_kernels.cpu.array_objects import (
    data_of,
    elements_of,
    float_size,
    given,
    is_contiguous,
    is_plain,
    nothing,
)
from fused_kernels.cpu.compile import entry, inline, inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.loops.forms import shares_of, skipped
from fused_kernels.cpu.new_objects import new_number
from fused_kernels.cpu.views import LIKE, array_at

from .axes import Layout

_PARALLEL_FROM = 128 << 10
"""Bytes from which a second thread pays, and one more for each half of that."""
_BLOCK = 8192
"""Elements that are summed in their own dtype."""
_UNIT = 8 * _BLOCK
_STRIP = 512
"""Columns that are summed side by side; their sums stay in the first-level cache."""
_CHUNK = 64
"""Rows of columns that are summed in their own dtype."""

_singles_at, _doubles_at = elements_at(types.float32), elements_at(types.float64)
_SINGLE, _DOUBLE = np.empty(0, np.float32), np.empty(0)
_number_room = on_stack(8)


def whole(x: Any) -> Any:
    """Return the sum over all of ``x``, C-contiguous, as a NumPy scalar."""
    shares = shares_of(x.nbytes, _PARALLEL_FROM)
    if skipped(x.nbytes, shares):
        return x.dtype.type(0)
    parts = np.empty(-(-x.size // _UNIT))
    _flat(threads.state(shares), shares, x.reshape(-1), parts)
    return x.dtype.type(_joined(parts))


def sums(x: Any, found: Layout, out: Any) -> None:
    """Write the sums of an array, which is not empty, to ``out``, which has one axis."""
    form, address, shape, strides = found
    if form == "rows":
        per_row, grouped = -(-shape[3] // _UNIT), max(1, _UNIT // shape[3])
        parts_shape: tuple[int, ...] = (out.size, -(-shape[2] // grouped) * per_row)
        launch, size = _rows, grouped
    else:
        # By the shape alone, so that threads do not change the result.
        height = max(512, -(-4 * _UNIT // shape[3]))
        parts_shape = (shape[0], shape[1] * -(-shape[2] // height), shape[3])
        launch, size = _columns, height
    parts = out.reshape(parts_shape) if parts_shape[1] == 1 else np.empty(parts_shape)
    if _run(launch, x, (address, shape, strides), parts, size) and parts_shape[1] > 1:
        _join(parts.reshape(*parts_shape[:2], -1), out)


def _run(launch: Any, x: Any, memory: Any, parts: Any, size: int) -> bool:
    shares = shares_of(x.nbytes, _PARALLEL_FROM)
    if skipped(x.nbytes, shares):
        return False
    # By address, since an array's type would be compiled once for each layout.
    launch(threads.state(shares), shares, LIKE[x.dtype], memory, parts, size)
    return True


@inline_reduction
def _block(x: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@inline_reduction
def _unit(x: Any) -> float:
    total = 0.0
    for first in range(0, x.size, _BLOCK):
        total += _block(x[first : first + _BLOCK])
    return total


@inline_reduction
def _apart(like: Any, start: int, step: int, count: int, scratch: Any) -> float:
    """Return the same of elements that lie ``step`` bytes apart, gathered block by block."""
    total = 0.0
    for first in range(0, count, _BLOCK):
        part = scratch[: min(_BLOCK, count - first)]
        for j in range(part.size):
            part[j] = array_at(like, start + (first + j) * step, 1)[0]
        total += _block(part)
    return total


@inline
def _add(total: float, rest: float, value: float) -> Any:
    """Return the sum and what it lost, together with ``rest``: Neumaier, 1974."""
    joined = total + value
    lost = (total - joined) + value if abs(total) >= abs(value) else (value - joined) + total
    return joined, rest + lost


@inline
def _result(total: float, rest: float) -> Any:
    # What an infinite sum lost is no number.
    return total + rest if abs(total) < np.inf else total


# It keeps Python's lock: it makes the result, and is done before another thread has it.
@kernel("sum_of_squares.attempt", nogil=False)
def _attempt(x: Any) -> Any:
    size = float_size(x) if is_plain(x) else 0
    count = elements_of(x) if size != 0 and is_contiguous(x) else 0
    if count == 0 or count * size >= _PARALLEL_FROM:
        return nothing()
    place = _number_room()
    if size == 4:
        _singles_at(place)[0] = _unit(array_at(_SINGLE, data_of(x), count))
    else:
        _doubles_at(place)[0] = _unit(array_at(_DOUBLE, data_of(x), count))
    return new_number(place, x)


@inline
def _share_of_all(share: int, shares: int, x: Any, parts: Any) -> None:
    for unit in range(share * parts.size // shares, (share + 1) * parts.size // shares):
        parts[unit] = _unit(x[unit * _UNIT : (unit + 1) * _UNIT])


@kernel("sum_of_squares.joined")
def _joined(parts: Any) -> Any:
    total, rest = 0.0, 0.0
    for k in range(parts.size):
        total, rest = _add(total, rest, parts[k])
    return _result(total, rest)


@kernel("sum_of_squares.join")
def _join(parts: Any, out: Any) -> None:
    for i in range(parts.shape[0]):
        for j in range(parts.shape[2]):
            total, rest = 0.0, 0.0
            for k in range(parts.shape[1]):
                total, rest = _add(total, rest, parts[i, k, j])
            out[i * parts.shape[2] + j] = _result(total, rest)


@inline
def _share_of_rows(share: int, shares: int, like: Any, memory: Any, parts: Any, grouped: int) -> None:
    base, (_, second, height, size), (outer, inner, along, step) = memory
    units = parts.shape[1]
    per_row = (size + _UNIT - 1) // _UNIT
    every = parts.shape[0] * units
    scratch = np.empty(_BLOCK, like.dtype)
    for number in range(share * every // shares, (share + 1) * every // shares):
        result, unit = number // units, number % units
        place = base + result // second * outer + result % second * inner
        first = unit // per_row * grouped
        begin = unit % per_row * _UNIT
        total = 0.0
        count = min(_UNIT, size - begin)
        for row in range(first, min(first + grouped, height)):
            start = place + row * along + begin * step
            if step == like.itemsize:
                total += _unit(array_at(like, start, count))
            else:
                total += _apart(like, start, step, count, scratch)
        parts[result, unit] = total


@inline_reduction
def _add_squares(row: Any, sums: Any) -> None:
    for j in range(row.size):
        sums[j] += row[j] * row[j]


@inline_reduction
def _move(sums: Any, totals: Any) -> None:
    for j in range(sums.size):
        totals[j] += sums[j]
        sums[j] = 0


@inline
def _share_of_columns(share: int, shares: int, like: Any, memory: Any, parts: Any, height: int) -> None:
    base, (_, _, rows, size), (outer, far, along, _) = memory
    lengths = (rows + height - 1) // height
    strips = (size + _STRIP - 1) // _STRIP
    count = parts.shape[0] * parts.shape[1] * strips
    sums, totals = np.zeros(_STRIP, like.dtype), np.zeros(_STRIP)
    for number in range(share * count // shares, (share + 1) * count // shares):
        # The strips of some rows one after the other: memory is read in its order.
        block, strip = number // strips, number % strips * _STRIP
        result, part = block // parts.shape[1], block % parts.shape[1]
        place = base + result * outer + part // lengths * far + strip * like.itemsize
        width, first = min(_STRIP, size - strip), part % lengths * height
        last = min(first + height, rows)
        for begin in range(first, last, _CHUNK):
            for row in range(begin, min(begin + _CHUNK, last)):
                _add_squares(array_at(like, place + row * along, width), sums[:width])
            _move(sums[:width], totals[:width])
        for j in range(width):
            parts[result, part, strip + j] = totals[j]
            totals[j] = 0


_flat = parallel("sum_of_squares.flat", _share_of_all)
_rows = parallel("sum_of_squares.rows", _share_of_rows)
_columns = parallel("sum_of_squares.columns", _share_of_columns)
attempt = entry(_attempt, given)
"""``attempt(x)``: any object.

Returns the sum over all elements as a NumPy scalar if it is a contiguous, plain array of a native float dtype, not
empty and so small that one thread is enough. Else it returns None, and nothing was done.
"""
