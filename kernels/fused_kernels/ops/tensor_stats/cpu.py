"""tensor_stats in Numba: one pass over tiles, each measured and counted while it lies in the first-level cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from fused_kernels.cpu import threads
from fused_kernels.cpu.compile import INLINED, inline, inline_reduction
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.intrinsics import smaller
from fused_kernels.cpu.loops.forms import shares_of, skipped
from fused_kernels.cpu.views import address_of, row_of
from fused_kernels.memory import CACHE_LINE

from . import grid
from .state import (
    FINITE,
    FIRST,
    HIGH,
    INF,
    LANES,
    LOW,
    MEAN,
    NAN,
    NEAR,
    NO_GRID,
    ORIGIN,
    PLANES,
    POWER,
    SCALE,
    SQUARES,
    TILE,
    WORDS,
    ZEROS,
    State,
)
from .tile import measure, measure_signed, summarise, tally

_PARALLEL_FROM = 256 << 10
_PIECE = 16 * TILE
"""Elements of a row that are a unit of a thread's work."""
_VECTOR_BINS = 1 << PLANES
"""Bins up to which planes of bits are counted; more are counted value by value."""
_GROUP = 64

for _function in (grid.cell, grid.power_of):
    register_jitable(**INLINED)(_function)


@inline
def _share(share: int, shares: int, x: Any, settings: Any, state: Any) -> None:
    """Add a share of ``x``, of shape (rows, n), each row contiguous, to what row ``share`` of the state knows.

    Parameters
    ----------
    settings, state
        See `State`.
    """
    numbers, tallies, counts, work = state
    # Without owners: all threads would count references to the same ones.
    known = row_of(numbers, share), row_of(tallies, share), row_of(counts, share)
    buffers = _buffers(row_of(work, share), x.dtype)
    pieces = max(1, x.shape[1] // _PIECE)
    units = x.shape[0] * pieces
    for number in range(share * units // shares, (share + 1) * units // shares):
        row, piece = row_of(x, number // pieces), number % pieces
        at, last = piece * _PIECE, (piece + 1) * _PIECE if piece + 1 < pieces else row.size
        while at < last:
            size = min(TILE, last - at)
            size = size // _GROUP * _GROUP if size >= _GROUP else size
            _tile(row[at : at + size], settings, known, buffers)
            at += size
    _flush(buffers[3], known[2])


@inline
def _tile(x: Any, settings: Any, known: Any, buffers: Any) -> None:
    """Add up to TILE values."""
    bins, _, _, unit = settings
    numbers, tallies, counts = known
    values, valid, filler, whole = x, x.size, x[0], x.size % _GROUP == 0
    shift = x.dtype.type(numbers[NEAR]) if tallies[FINITE] > 0 else x[0]
    if not whole:
        values, valid, filler = _patched(x, buffers[0], tallies)
        shift = filler
    while valid > 0:
        low, high, total, square, zeros = _measured(values, shift, bins, known, buffers)
        if whole and not (math.isfinite(total) and math.isfinite(square)):
            # NaN, inf, or squares too large for the dtype: the tile is seen again with all but finite values set aside.
            values, valid, filler = _patched(x, buffers[0], tallies)
            shift, whole = filler, False
            continue
        numbers[LOW], numbers[HIGH] = min(numbers[LOW], np.float64(low)), max(numbers[HIGH], np.float64(high))
        if bins > 0 and not _covers(low, high, bins, known):
            _flush(buffers[3], counts)
            _regrid(settings, known)
            continue
        extra = values.size - valid
        if bins > 0:
            _count(values, low, high, known, buffers)
            counts[_bin(filler, known)] -= extra
        tallies[ZEROS] += int(zeros) - (extra if filler == 0 else 0)
        center = _center(shift, total, valid)
        spread = max(abs(np.float64(high) - center), abs(np.float64(low) - center))
        moments = np.float64(total), np.float64(square)
        if whole and unit == 1 and _are_good(moments, valid, spread, x.itemsize):
            _merge(np.float64(shift), moments, valid, known)
        else:
            _merge(center * unit, _moments(values, center, unit, extra, np.float64(filler)), valid, known)
        numbers[NEAR] = center
        break


@inline
def _center(shift: Any, total: Any, count: int) -> float:
    """Return the mean, or a number among them where the sum has left the dtype."""
    return np.float64(shift) + np.float64(total) / count if math.isfinite(total) else np.float64(shift)


@inline
def _are_good(moments: Any, count: int, spread: float, itemsize: int) -> bool:
    """Whether the squares fit the dtype, and the shift was so near the mean that little is lost by subtracting it."""
    total, square = moments
    if not math.isfinite(square) or square - total * total / count < square / 16:
        return bool(spread == 0 and total == 0)
    # float32 has no room for the squares of smaller numbers; float64 is cared for by `unit`.
    return bool(spread == 0 or spread > 1e-16 or itemsize == 8)


@inline
def _measured(values: Any, shift: Any, bins: int, known: Any, buffers: Any) -> Any:
    scale, first, planes = values.dtype.type(known[0][SCALE]), known[1][FIRST], buffers[1]
    if bins == 0 or bins > _VECTOR_BINS:
        return summarise(values, shift, scale, first, planes)
    if scale < 1:
        return measure_signed(values, shift, scale, first, planes)
    return measure(values, shift, scale, first, planes)


@inline_reduction
def _patched(x: Any, scratch: Any, tallies: Any) -> Any:
    """Return ``x`` with its least finite value in place of what is not finite, and to fill up to whole groups.

    Also returns how many are finite, and that value; counts the others.
    """
    infinity = x.dtype.type(math.inf)
    least, one, none = infinity, x.dtype.type(1), x.dtype.type(0)
    finite, nan = none, none
    for j in range(x.size):
        is_finite = abs(x[j]) < infinity
        least = smaller(least, x[j] if is_finite else infinity)
        finite += one if is_finite else none
        nan += one if x[j] != x[j] else none
    size = (x.size + _GROUP - 1) // _GROUP * _GROUP
    for j in range(x.size):
        scratch[j] = x[j] if abs(x[j]) < infinity else least
    for j in range(x.size, size):
        scratch[j] = least
    tallies[NAN] += int(nan)
    tallies[INF] += x.size - int(finite) - int(nan)
    return scratch[:size], int(finite), least


@inline
def _covers(low: float, high: float, bins: int, known: Any) -> bool:
    first, scale = known[1][FIRST], known[0][SCALE]
    if known[1][POWER] == NO_GRID:
        return False
    return bool(grid.cell(np.float64(low), scale) >= first and grid.cell(np.float64(high), scale) < first + bins)


@inline
def _bin(value: Any, known: Any) -> Any:
    return int(grid.cell(np.float64(value), known[0][SCALE])) - known[1][FIRST]


@inline
def _regrid(settings: Any, known: Any) -> None:
    """Take the grid for the range that is now known, and merge the bins of the last one."""
    bins, digits, smallest, _ = settings
    numbers, tallies, counts = known
    old_power, old_first = tallies[POWER], tallies[FIRST]
    power = grid.power_of(numbers[LOW], numbers[HIGH], bins, digits, smallest)
    scale = math.ldexp(1.0, -power)
    lowest = int(grid.cell(numbers[LOW], scale))
    used = int(grid.cell(numbers[HIGH], scale)) - lowest + 1
    # In the middle, so that there is room on both sides.
    first = lowest - (bins - used) // 2
    numbers[SCALE], tallies[POWER], tallies[FIRST] = scale, power, first
    if old_power == NO_GRID:
        return
    old = counts.copy()
    counts[:] = 0
    for b in range(bins):
        if old[b] != 0:
            counts[((old_first + b) >> min(power - old_power, 62)) - first] += old[b]


@inline
def _count(values: Any, low: float, high: float, known: Any, buffers: Any) -> None:
    """Count the values in their bins: by planes of bits, or one by one where there are too many bins for that."""
    _, planes, eighths, lanes = buffers
    counts = known[2]
    if counts.size > _VECTOR_BINS:
        for j in range(values.size):
            counts[_bin(values[j], known)] += 1
        return
    words = values.size // 64
    full = (words + LANES - 1) // LANES * LANES
    low_eighths, high_eighths = eighths[0], eighths[1]
    _eighths(planes[0:3], low_eighths, full)
    _eighths(planes[3:6], high_eighths, full)
    for k in range(_bin(low, known) // 8, _bin(high, known) // 8 + 1):
        for word in range(words, full):
            high_eighths[k, word] = 0
        tally(high_eighths[k], low_eighths, lanes[8 * k : 8 * k + 8], full)


@inline
def _eighths(planes: Any, out: Any, words: int) -> None:
    """Write to ``out[k]`` in which places the three bits of the planes are the number k."""
    for j in range(words):
        x, y, z = planes[0, j], planes[1, j], planes[2, j]
        out[0, j], out[1, j], out[2, j], out[3, j] = ~(x | y | z), x & ~(y | z), y & ~(x | z), x & y & ~z
        out[4, j], out[5, j], out[6, j], out[7, j] = z & ~(x | y), x & z & ~y, y & z & ~x, x & y & z


@inline
def _flush(lanes: Any, counts: Any) -> None:
    for b in range(min(counts.size, lanes.shape[0])):
        for lane in range(LANES):
            counts[b] += lanes[b, lane]
            lanes[b, lane] = 0


@inline_reduction
def _moments(values: Any, center: float, unit: float, extra: int, filler: float) -> Any:
    """Return the sum and the sum of squares of ``(values - center) * unit``, in float64, but for ``extra`` fillers."""
    total, square, origin = 0.0, 0.0, np.float64(center) * unit
    for j in range(values.size):
        off = np.float64(values[j]) * unit - origin
        total += off
        square += off * off
    of_filler = filler * unit - origin
    return total - extra * of_filler, square - extra * (of_filler * of_filler)


@inline
def _merge(shift: float, moments: Any, count: int, known: Any) -> None:
    """Join the moments of ``count`` more values: Chan, Golub and LeVeque, Updating Formulae, 1979."""
    numbers, tallies, _ = known
    total, square = moments
    before = tallies[FINITE]
    if before == 0:
        numbers[ORIGIN] = shift
    tallies[FINITE] = before + count
    # Less a number that is near all of them, so that a large mean leaves digits for a small spread.
    off = (shift - numbers[ORIGIN]) + total / count - numbers[MEAN]
    numbers[SQUARES] += max(square - total * total / count, 0.0)
    numbers[SQUARES] += off * off * (before / tallies[FINITE] * count)
    numbers[MEAN] += off * (count / tallies[FINITE])


@inline
def _buffers(work: Any, dtype: Any) -> Any:
    """Return a scratch tile, the planes, both sets of eighths and the counts by lane, each from a cache line on."""
    at = (-address_of(work) % CACHE_LINE) // work.itemsize
    planes = work[at : at + PLANES * WORDS].reshape(PLANES, WORDS)
    at += PLANES * WORDS
    eighths = work[at : at + 16 * WORDS].reshape(2, 8, WORDS)
    at += 16 * WORDS
    lanes = work[at : at + _VECTOR_BINS * LANES].reshape(_VECTOR_BINS, LANES)
    at += _VECTOR_BINS * LANES
    return work[at:].view(dtype)[:TILE], planes, eighths, lanes


_launch = parallel("tensor_stats", _share)


def new_state(bins: int, dtype: np.dtype[Any], unit: float = 1.0) -> State:
    """Return a state for as many threads as there may be now."""
    return State(threads.count(), bins, dtype, unit)


def add(x: Any, state: State) -> None:
    """Add ``x``, of shape (rows, n), each row contiguous, to what the state knows."""
    # The state has rows for so many threads, whatever somebody has set since.
    shares = min(shares_of(x.nbytes, _PARALLEL_FROM), state.threads)
    if not skipped(x.nbytes, shares):
        _launch(threads.state(shares), shares, x, *state.for_kernel)


def add_on_one_thread(x: Any, state: State) -> None:
    """Do the same, with no word to a trace."""
    _launch(0, 1, x, *state.for_kernel)
