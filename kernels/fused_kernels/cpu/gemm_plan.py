"""The plan of a matrix product: a few numbers in memory that the launcher writes and every thread reads.

Its first cache line counts the tasks that were taken; the fields follow.
"""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .gemm_tile import Tile

_WORD = ir.IntType(64)
_FIELDS = 20
_COUNTER_WORDS = 8
PLAN_WORDS = 4 * _COUNTER_WORDS


def plan_template(
    shape: tuple[int, int, int],
    strides: tuple[int, int, int, int],
    task: tuple[int, int],
    code: tuple[int, int],
    size: int,
    *,
    direct: bool,
    bounded: bool,
) -> np.ndarray[Any, Any]:
    """Return the part of a plan that is the same in every call with equal shapes, for `launch`.

    Parameters
    ----------
    shape
        m, k, n.
    strides
        In bytes: rows and columns of x, rows and columns of weight.
    task
        Rows and columns.
    code
        From `machine_code`.
    size
        Bytes of an element.
    direct
        Whether whole panels of a row-major weight are read where they are.
    bounded
        Whether the result is at least 0.
    """
    return np.array([*shape, size, *strides, *task, direct, bounded, *code], np.int64)


@intrinsic
def address_of(_context: Any, array: Any) -> Any:
    """Return the address of the first element."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(context.make_array(sig.args[0])(context, builder, args[0]).data, _WORD)

    return types.int64(array), emit


@intrinsic
def write_plan(_context: Any, plan: Any, fields: Any) -> Any:
    """Store the fields, a tuple of int64, and set the count of taken tasks to 0."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words = builder.inttoptr(args[0], _WORD.as_pointer())
        builder.store(_WORD(0), words)
        for index in range(_FIELDS):
            place = builder.gep(words, [_WORD(_COUNTER_WORDS + index)])
            builder.store(builder.extract_value(args[1], index), place)
        return context.get_dummy_value()

    return types.void(plan, fields), emit


@intrinsic
def read_plan(_context: Any, plan: Any) -> Any:
    """Return the fields."""
    fields = types.UniTuple(types.int64, _FIELDS)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words = builder.inttoptr(args[0], _WORD.as_pointer())
        places = (builder.gep(words, [_WORD(_COUNTER_WORDS + index)]) for index in range(_FIELDS))
        return context.make_tuple(builder, fields, [builder.load(place) for place in places])

    return fields(plan), emit


@intrinsic
def claim(_context: Any, plan: Any) -> Any:
    """Return the number of the next task; no two threads get the same."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], _WORD.as_pointer()), _WORD(1), "monotonic")

    return types.int64(plan), emit


@intrinsic
def pack(
    _context: Any,
    code: Any,
    source: Any,
    row_stride: Any,
    column_stride: Any,
    target: Any,
    target_stride: Any,
    panel: Any,
    width: Any,
    rows: Any,
    columns: Any,
) -> Any:
    """Call the machine code of `gemm_pack.packer`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call_code(context, builder, args)

    return types.void(*[types.int64] * 10), emit


def row_copy(tile: Tile) -> Any:
    """Make the intrinsic that copies between row-major pieces of at most `Tile.depth` columns."""

    @intrinsic
    def copy(
        _context: Any,
        code: Any,
        source: Any,
        source_stride: Any,
        target: Any,
        target_stride: Any,
        rows: Any,
        columns: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            code, source, source_stride, target, target_stride, rows, columns = args
            size, depth = _WORD(tile.itemsize), _WORD(tile.depth)
            return _call_code(
                context,
                builder,
                (code, source, source_stride, size, target, target_stride, _WORD(0), depth, rows, columns),
            )

        return types.void(*[types.int64] * 7), emit

    return copy


def _call_code(context: Any, builder: Any, args: Any) -> Any:
    function = ir.FunctionType(ir.VoidType(), [_WORD] * (len(args) - 1))
    builder.call(builder.inttoptr(args[0], function.as_pointer()), args[1:])
    return context.get_dummy_value()


def elements_at(tile: Tile) -> Any:
    """Make the intrinsic that turns an address into a pointer to elements."""
    pointer = types.CPointer(getattr(types, tile.dtype))

    @intrinsic
    def elements(_context: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer))

        return pointer(address), emit

    return elements
