"""tensor_stats in CUDA: one reading of the values, by blocks whose knowledge one more block joins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fused_kernels.cuda.arrays import Library
from fused_kernels.cuda.call import Call
from fused_kernels.cuda.dtypes import FLOATS, itemsize
from fused_kernels.cuda.launch import Argument, Card, Launch, Plan, grid_of
from fused_kernels.cuda.ready import made_ready
from fused_kernels.cuda.source import Kernel, text_of
from fused_kernels.cuda.views import View
from fused_kernels.dispatch import FLOAT32, FLOAT64

from . import grid
from .op import unit_of
from .result import TensorStats
from .state import FINITE, FIRST, HIGH, LOW, SQUARES, Outcome, State

_THREADS = 256
_COUNT = {2: 16, 4: 16, 8: 8}
"""By bytes of an element: how many a thread reads at once."""
_BLOCKS = 2
"""Of a multiprocessor: 128 registers of a thread leave no room for more."""
_JOINING = 512
_IN_BLOCKS = 1024
"""Bins that a block has room for. Of more, the range is found first, and counting is a second reading."""
_LONG_ROW = 1024
"""Elements of a row from which rows that lie apart are read where they lie."""
_WORDS = SQUARES + 1 + FIRST + 1
"""Of what is known, before the bins."""


def kernel(template: str, dtype: str) -> Kernel:
    """Return one variant of a template of gpu.cu."""
    source = text_of(Path(__file__).with_name("gpu.cu"))
    return Kernel(source, f"{template}<{FLOATS[dtype]}, {_COUNT[itemsize(dtype)]}>(a);", "StatArguments", _THREADS)


def variants(dtype: str) -> tuple[Kernel, ...]:
    """Return every kernel that a plan may have for a dtype."""
    return kernel("measured", dtype), _joined(dtype), kernel("counted", dtype)


def plan(call: Call) -> Plan:
    """Return what the GPU does first."""
    x = call.arrays["x"]
    assert x is not None
    if not x.size:
        return Plan("none", "there is nothing to compute")
    rows = _rows_of(x)
    if rows is None:
        return Plan("", "", copies=("x",))
    bins = call.options["bins"]
    grid_size = _blocks(rows, call.dtype, call.card)
    if bins > _IN_BLOCKS:
        return Plan("read twice", f"{bins} bins: the range is found first, by {grid_size} blocks")
    return Plan("blocks", f"{grid_size} blocks, with {bins} bins each, and one that joins them")


def compute(library: Library, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[TensorStats]:
    """Return the statistics, for which the CPU waits, in a tuple."""
    view, bins = library.view("tensor_stats", "x", arrays["x"]), options["bins"]
    dtype = FLOAT64 if view.dtype == "float64" else FLOAT32
    if not view.size:
        return (TensorStats.without_values(0, 0, 0),)
    together = bins <= _IN_BLOCKS
    found = _measured(library, view, bins if together else 0, 1.0)
    outcome = Outcome(State(0, bins, dtype), [found])
    if not outcome.is_finite:
        return (outcome.stats(view.size, (math.nan, math.nan)),)
    if not together:
        outcome = Outcome(State(0, bins, dtype), [_counted(library, view, bins, found)])
    unit = unit_of(outcome.low, outcome.high)
    of_moments = outcome
    if unit != 1.0:
        of_moments = Outcome(State(0, 0, dtype, unit), [_measured(library, view, 0, unit)])
    return (outcome.stats(view.size, of_moments.moments()),)


Part = tuple[list[float], list[int], np.ndarray[Any, Any]]


def _measured(library: Library, view: View, bins: int, unit: float) -> Part:
    rows, card = _rows_of(view), library.card(view.device)
    assert rows is not None
    blocks = _blocks(rows, view.dtype, card)
    arguments: tuple[Argument, ...] = ("x", "out", "work", *_common(rows, view.dtype, blocks, bins), 0, unit, 0.0)
    launches = (
        Launch(kernel("measured", view.dtype), blocks, _THREADS, arguments),
        Launch(_joined(view.dtype), 1, _JOINING, arguments),
    )
    words = _run(library, view, Plan("", "", launches, scratch=blocks * (_WORDS + bins) * 8), _WORDS + bins)
    numbers = words[: SQUARES + 1].view(np.float64).tolist()
    return numbers, words[SQUARES + 1 : _WORDS].tolist(), words[_WORDS:]


def _counted(library: Library, view: View, bins: int, found: Part) -> Part:
    """Return what is known with the counts on the last grid, of all bins."""
    numbers, tallies, _ = found
    limits = grid.precision(FLOAT64 if view.dtype == "float64" else FLOAT32)
    power = grid.power_of(numbers[LOW], numbers[HIGH], bins, *limits)
    scale = math.ldexp(1.0, -power)
    first = int(grid.cell(numbers[LOW], scale))
    rows, card = _rows_of(view), library.card(view.device)
    assert rows is not None
    blocks = _blocks(rows, view.dtype, card)
    arguments: tuple[Argument, ...] = ("x", "out", None, *_common(rows, view.dtype, blocks, bins), first, 1.0, scale)
    launch = Launch(kernel("counted", view.dtype), blocks, _THREADS, arguments)
    counts = _run(library, view, Plan("", "", (launch,), fill=0), bins)
    return numbers, [*tallies[: FINITE + 4], power, first], counts


def _run(library: Library, view: View, plan: Plan, words: int) -> np.ndarray[Any, Any]:
    """Run the launches, and return so many words of 8 bytes."""
    shapes = ((words * 8,),)
    made = made_ready(library, plan, {"x": view}, shapes, "uint8", device=view.device, outs=(), direct=False)
    (result,) = made.run(library, [view.address], ())
    return library.fetched(result).view(np.int64)


def _common(rows: tuple[int, int, int], dtype: str, blocks: int, bins: int) -> tuple[int, ...]:
    limits = grid.precision(FLOAT64 if dtype == "float64" else FLOAT32)
    return (*rows, _tiles(rows, dtype), blocks, bins, *limits)


def _joined(dtype: str) -> Kernel:
    return kernel("measured", dtype)._replace(body="joined_stats(a);", threads=_JOINING)


def _tiles(rows: tuple[int, int, int], dtype: str) -> int:
    return -(-rows[1] // (_THREADS * _COUNT[itemsize(dtype)]))


def _blocks(rows: tuple[int, int, int], dtype: str, card: Card) -> int:
    return grid_of(rows[0] * _tiles(rows, dtype), card.multiprocessors * _BLOCKS)


def _rows_of(x: View) -> tuple[int, int, int] | None:
    """Return how many rows of how many neighbours lie how far apart, in any order; None if they do not."""
    axes = sorted(
        ((step, length) for length, step in zip(x.shape, x.strides, strict=True) if length != 1), reverse=True
    )
    merged: list[tuple[int, int]] = []
    for step, length in axes:
        if merged and merged[-1][0] == length * step:
            merged[-1] = (step, merged[-1][1] * length)
        else:
            merged.append((step, length))
    if not merged:
        return 1, 1, 1
    (step, n), *others = reversed(merged)
    if step != 1 or len(others) > 1 or (others and n < _LONG_ROW):
        return None
    return (others[0][1], n, others[0][0]) if others else (1, n, n)
