"""Which kernel of sums.cuh sums over which axes, and over which grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from .columns import THREADS, VECTOR, strips_of
from .dtypes import FLOATS, itemsize
from .launch import WARP, Argument, Launch, Plan, grid_of, power_of_two
from .source import Kernel
from .views import View

_SOURCE = '#include "sums.cuh"\n'
_NONE = (1, 1, 1, 1, 0, 0, 0, 0) * 2
Axes = list[tuple[int, int]]


def plan_sums(call: Any, function: str, axes: tuple[int, ...]) -> Plan:
    """Return the plan for a sum of a function of each element of ``x`` over axes.

    Parameters
    ----------
    call
        A `call.Call`.
    function
        The struct in sums.cuh that says what is summed.
    axes
        From 0 up.
    """
    x: View = call.arrays["x"]
    if not x.size:
        return Plan("none", "the sum of no elements is 0", fill=0.0)
    kept = _merged((x.shape[axis], x.strides[axis]) for axis in range(len(x.shape)) if axis not in axes)
    summed = _merged(sorted(((x.shape[axis], x.strides[axis]) for axis in axes), key=lambda pair: -pair[1]))
    n, count = math.prod(length for length, _ in summed), math.prod(length for length, _ in kept)
    if len(summed) <= 1 and len(kept) <= 1 and (not summed or summed[0][1] == 1):
        return _rows(call, function, (count, n), kept[0][1] if kept else n)
    if x.is_contiguous and len(summed) == 1 and kept and kept[-1][1] == 1:
        return _columns(call, function, (count // kept[-1][0], n, kept[-1][0]))
    if max(len(kept), len(summed)) > 4 or any(step < 0 for _, step in (*kept, *summed)):
        return Plan("", "", copies=("x",))
    grid = grid_of(count, call.card.blocks(THREADS))
    four = (*_padded(kept), *_padded(summed))
    arguments: tuple[Argument, ...] = ("x", "out", None, count, n, 0, 1, 1, *four)
    launch = Launch(kernel_of("strided_sums", call.dtype, function), grid, THREADS, arguments)
    return Plan("strided", f"{count} sums over {len(summed)} axes", (launch,))


def variants(function: str, dtype: str) -> Iterator[Kernel]:
    """Yield every kernel that a plan may have for a function and a dtype."""
    yield kernel_of("row_sums", dtype, function, 16 // itemsize(dtype))
    yield kernel_of("joined_sums", dtype)
    yield from (kernel_of("column_sums", dtype, function, vector) for vector in (VECTOR[itemsize(dtype)], 1))
    yield kernel_of("joined_columns", dtype)
    yield kernel_of("strided_sums", dtype, function)


def kernel_of(template: str, dtype: str, *parameters: Any) -> Kernel:
    """Return one variant of a template of sums.cuh: of a function and a dtype, and for some a number of neighbours."""
    function, *rest = parameters or ("",)
    text = ", ".join(str(part) for part in (function, FLOATS[dtype], *rest) if part)
    return Kernel(_SOURCE, f"{template}<{text}>(a);", "SumArguments", THREADS, itemsize(dtype) == 2)


def _rows(call: Any, function: str, shape: tuple[int, int], step: int) -> Plan:
    rows, n = shape
    vector = 16 // itemsize(call.dtype)
    threads = max(WARP, min(THREADS, power_of_two(-(-n // (vector * 2)))))
    full = call.card.blocks(threads)
    team = max(1, min(-(-full // rows), n // (threads * vector * 2))) if rows < full else 1
    arguments: tuple[Argument, ...] = ("x", "out", "work" if team > 1 else None, rows, n, step, team, 1, *_NONE)
    grid = grid_of(rows * team, full)
    launches = [Launch(kernel_of("row_sums", call.dtype, function, vector), grid, threads, arguments)]
    reason = f"{rows} sums of {n} neighbours by {team} blocks of {threads} threads each, {vector} elements at once"
    if team == 1:
        return Plan("rows", reason, tuple(launches))
    launches.append(Launch(kernel_of("joined_sums", call.dtype), grid_of(rows, full), WARP, arguments))
    return Plan("several blocks", reason, tuple(launches), scratch=rows * team * 8)


def _columns(call: Any, function: str, shape: tuple[int, int, int]) -> Plan:
    outer, n, inner = shape
    strips = strips_of(call.card, shape, call.dtype, (call.arrays["x"],))
    work = "work" if strips.pieces > 1 else None
    arguments: tuple[Argument, ...] = ("x", "out", work, outer, n, inner, strips.team, strips.pieces, *_NONE)
    grid = grid_of(strips.jobs, call.card.blocks(strips.threads))
    launches = [Launch(kernel_of("column_sums", call.dtype, function, strips.vector), grid, strips.threads, arguments)]
    reason = strips.described(grid)
    if strips.pieces == 1:
        return Plan("columns", reason, tuple(launches))
    blocks = grid_of(-(-outer * inner // WARP), call.card.blocks(WARP))
    launches.append(Launch(kernel_of("joined_columns", call.dtype), blocks, WARP, arguments))
    return Plan("shared columns", reason, tuple(launches), scratch=outer * inner * strips.pieces * 8)


def _merged(pairs: Iterator[tuple[int, int]] | Sequence[tuple[int, int]]) -> Axes:
    """Join neighbouring axes that lie in memory as one."""
    merged: Axes = []
    for length, step in pairs:
        if length == 1:
            continue
        if merged and merged[-1][1] == length * step:
            merged[-1] = (merged[-1][0] * length, step)
        else:
            merged.append((length, step))
    return merged


def _padded(axes: Axes) -> tuple[int, ...]:
    four = [(1, 0)] * (4 - len(axes)) + axes
    return (*(length for length, _ in four), *(step for _, step in four))
