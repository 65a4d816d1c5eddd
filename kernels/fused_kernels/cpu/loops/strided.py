"""Elementwise loops over arrays of any strides and dtypes, broadcast against each other, without a copy of any of them.

The loop runs through the result in tiles. What is not contiguous there is gathered, in the dtype of the result, into
scratch arrays in the first-level cache; a result that is not contiguous is scattered. Gathering is machine code of its
own, one for each pair of dtypes, so that a formula is compiled once for all layouts.
"""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from fused_kernels import memory
from fused_kernels.cpu.addresses import call, elements_at
from fused_kernels.cpu.compile import Kernel, inline, kernel, machine_code
from fused_kernels.cpu.intrinsics import stream, stream_end
from fused_kernels.cpu.views import address_of, array_at, make_array
from fused_kernels.dispatch import Array

from .element import bounds, each, operands_in, put, put_over

TILE = 512
"""Elements that are finished in the first-level cache before they are stored."""
SIZE, AXES, OPERANDS, FIELDS = 0, 1, 2, 4
"""Where a plan has the size of the result, the number of axes, and the fields of the result and of each input."""
ADDRESS, CODE, CONSTANT, STRIDES = 0, 1, 2, 3
"""The fields: address; code that gathers or scatters, 0 if contiguous; whether one value; position of its strides.

The shape stands before the strides of the result.
"""

Shape = tuple[int, ...]


def arrange(arrays: Sequence[Array], out: Array | None, shape: Shape, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the result, new if ``out`` is None, and the plan of a loop over it.

    Parameters
    ----------
    arrays
        Aligned, native, float32, float64, integers or booleans; of shapes that broadcast to ``shape``.
    out
        Aligned, writeable, of ``shape`` and ``dtype``; it may be one of the inputs but must not overlap them otherwise.

    Notes
    -----
    A new result has the order of axes of the first input that is not broadcast, as NumPy's has.
    """
    spread = tuple(_spread(array, shape) for array in arrays)
    axes, lengths, strides = _layout(shape, spread, None if out is None else out.strides, dtype.itemsize)
    if out is None:
        out = memory.empty(tuple(shape[axis] for axis in axes), dtype).transpose(np.argsort(axes))
    operands = (out, *arrays)
    plan, places = _template(math.prod(shape), lengths, strides, dtype, tuple(array.dtype for array in operands))
    plan = plan.copy()
    plan[places] = [array.__array_interface__["data"][0] for array in operands]
    return out, plan


def is_scattered(plan: Array) -> bool:
    """Whether the result of a plan is not contiguous."""
    return bool(plan[OPERANDS + CODE])


def gathered(plan: Array, inputs: int) -> int:
    """Return how many of its inputs are gathered tile by tile."""
    fields = [OPERANDS + FIELDS * (number + 1) for number in range(inputs)]
    return sum(plan[field + CODE] != 0 and not plan[field + CONSTANT] for field in fields)


def strided_share(formula: Kernel, arity: int) -> Kernel:
    """Return ``share(share, shares, streaming, like, plan)``: a part of the loop over a plan of `arrange`.

    ``like`` is any array of the dtype of the result.
    """
    tiles_of = _tiles(arity)

    def element(i: int, scratch: Any, inputs: Any) -> None:
        put_over(scratch, i, formula(*operands_in(scratch, inputs, i)))

    one = inline(element)

    def share_strided(share: int, shares: int, streaming: bool, like: Any, plan: Any) -> None:
        begin, last = bounds(share, shares, plan[SIZE])
        scratch = np.empty((arity + 1) * TILE, like.dtype)
        tile, size = address_of(scratch), scratch.itemsize
        places = np.empty(arity, np.int64)
        out = array_at(like, plan[OPERANDS + ADDRESS], plan[SIZE])
        scatter = plan[OPERANDS + CODE]
        for first in range(begin, last, TILE):
            count = min(TILE, last - first)
            for k in range(arity):
                places[k] = _gathered(plan, k + 1, first, count, tile + (k + 1) * TILE * size, size, first == begin)
            inputs = tiles_of(like, places, count)
            each(0, count, one, (scratch, inputs))
            if scatter:
                _copy(plan, 0, first, count, tile)
            else:
                _store(out, first, scratch, count, streaming)
        stream_end()

    return share_strided


@inline
def _store(out: Any, first: Any, scratch: Any, count: Any, streaming: Any) -> None:
    if streaming:
        stream(out, first, scratch, count)
    else:
        for i in range(count):
            put(out, first + i, scratch[i])


@inline
def _gathered(plan: Any, operand: Any, first: Any, count: Any, tile: Any, size: Any, is_first: Any) -> Any:
    """Return the address of the elements of an input from ``first`` on, gathered if they are not contiguous."""
    fields = OPERANDS + FIELDS * operand
    if not plan[fields + CODE]:
        return plan[fields + ADDRESS] + first * size
    if plan[fields + CONSTANT] and not is_first:
        return tile
    _copy(plan, operand, first, TILE if plan[fields + CONSTANT] else count, tile)
    return tile


@inline
def _copy(plan: Any, operand: Any, first: Any, count: Any, tile: Any) -> None:
    fields, begin = OPERANDS + FIELDS * operand, address_of(plan)
    lengths, steps = begin + 8 * (plan[OPERANDS + STRIDES] - plan[AXES]), begin + 8 * plan[fields + STRIDES]
    call(plan[fields + CODE], (plan[fields + ADDRESS], lengths, steps, plan[AXES], first, count, tile))


def _tiles(arity: int) -> Any:
    """Make the intrinsic that turns addresses into a tuple of arrays of ``count`` elements."""

    @intrinsic
    def tiles(_context: Any, like: Any, places: Any, count: Any) -> Any:
        kind = types.UniTuple(types.Array(like.dtype, 1, "C"), arity)

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = context.make_array(sig.args[1])(context, builder, args[1]).data
            word = context.get_constant
            arrays = [
                make_array(
                    context, builder, kind.dtype, builder.load(builder.gep(data, [word(types.intp, k)])), args[2]
                )
                for k in range(arity)
            ]
            return context.make_tuple(builder, kind, arrays)

        return kind(like, places, types.intp), emit

    return tiles


def _spread(array: Array, shape: Shape) -> Shape:
    """Return the strides of ``array`` broadcast to ``shape``."""
    missing = len(shape) - array.ndim
    kept = (0 if size == 1 else step for size, step in zip(array.shape, array.strides, strict=True))
    return (0,) * missing + tuple(kept)


@functools.lru_cache(maxsize=4096)
def _layout(
    shape: Shape, inputs: tuple[Shape, ...], out: Shape | None, itemsize: int
) -> tuple[Shape, Shape, tuple[Shape, ...]]:
    """Return the order of the axes in memory; then, with all axes together that can be, lengths and all strides."""
    whole = (steps for steps in inputs if all(step or size == 1 for step, size in zip(steps, shape, strict=True)))
    model = out if out is not None else next(whole, None)
    axes = tuple(range(len(shape)))
    if model is not None:
        axes = tuple(sorted(axes, key=lambda axis: -abs(model[axis])))
    if out is None:
        steps = [0] * len(shape)
        step = itemsize
        for axis in reversed(axes):
            steps[axis], step = step, step * shape[axis]
        out = tuple(steps)
    lengths: list[int] = []
    strides: list[list[int]] = [[] for _ in range(len(inputs) + 1)]
    for axis in axes:
        length = shape[axis]
        steps = [steps[axis] for steps in (out, *inputs)]
        if length == 1:
            continue
        if lengths and all(before[-1] == step * length for before, step in zip(strides, steps, strict=True)):
            lengths[-1] *= length
            for before, step in zip(strides, steps, strict=True):
                before[-1] = step
        else:
            lengths.append(length)
            for before, step in zip(strides, steps, strict=True):
                before.append(step)
    return axes, tuple(lengths) or (1,), tuple(tuple(steps) or (0,) for steps in strides)


@functools.lru_cache(maxsize=4096)
def _template(
    size: int, lengths: Shape, strides: tuple[Shape, ...], dtype: np.dtype[Any], dtypes: tuple[np.dtype[Any], ...]
) -> tuple[Array, Array]:
    """Return a plan without addresses, and where they belong."""
    plan, tail = [size, len(lengths)], [*lengths]
    begin = OPERANDS + FIELDS * len(strides)
    for number, (steps, kind) in enumerate(zip(strides, dtypes, strict=True)):
        contiguous = kind == dtype and (steps == (dtype.itemsize,) or size == 1)
        constant = not any(steps) and not contiguous
        pair = (dtype, kind) if number == 0 else (kind, dtype)
        code = 0 if contiguous else _copier(*(str(one) for one in pair), gather=number > 0)
        plan += [0, code, int(constant), begin + len(tail)]
        tail += steps
    places = np.arange(len(strides)) * FIELDS + OPERANDS + ADDRESS
    return np.array(plan + tail, np.int64), places


@functools.cache
def _copier(source: str, target: str, *, gather: bool) -> int:
    """Compile ``code(strided, lengths, strides, axes, first, count, scratch)``; return its address.

    It copies ``count`` elements of the strided array, from ``first`` on in the order of its axes, to the contiguous
    scratch, or back. ``lengths`` and ``strides`` are addresses of int64.
    """
    words = elements_at(types.int64)
    source_type, cast = (numba.from_dtype(np.dtype(kind)) for kind in (source, target))
    from_elements, to_elements = elements_at(source_type), elements_at(cast)

    @inline
    def copy_run(strided, step, count, scratch):  # type: ignore[no-untyped-def]
        for i in range(count):
            if gather:
                to_elements(scratch)[i] = cast(from_elements(strided + i * step)[0])
            else:
                to_elements(strided + i * step)[0] = cast(from_elements(scratch)[i])

    size, scratch_size = (np.dtype(kind).itemsize for kind in ((source, target) if gather else (target, source)))

    def copy(strided, lengths, strides, axes, first, count, scratch):  # type: ignore[no-untyped-def]
        length, step = words(lengths)[axes - 1], words(strides)[axes - 1]
        place, outer = first % length, first // length
        while count > 0:
            here, rest = strided + place * step, outer
            for axis in range(axes - 2, -1, -1):
                here += rest % words(lengths)[axis] * words(strides)[axis]
                rest //= words(lengths)[axis]
            run = min(length - place, count)
            # Said apart, so that a contiguous run and one value become vector code.
            if step == size:
                copy_run(here, size, run, scratch)
            elif step == 0:
                copy_run(here, 0, run, scratch)
            else:
                copy_run(here, step, run, scratch)
            scratch += run * scratch_size
            count -= run
            place, outer = 0, outer + 1

    return machine_code(kernel(f"strided.{'gather' if gather else 'scatter'}.{source}.{target}")(copy), 7)
