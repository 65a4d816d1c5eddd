"""What the loops over elements share: the bounds of a share of them, and what goes in and out for one."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.views import make_array

from .elements_launch import OPERANDS

_GRAIN = 64
"""Shares of threads are multiples of it, so that no two write to one cache line."""


@inline
def bounds(share: Any, shares: Any, size: Any) -> Any:
    """Return the first element of a share, and the one after its last."""
    most = (size + shares * _GRAIN - 1) // (shares * _GRAIN) * _GRAIN
    return min(share * most, size), min((share + 1) * most, size)


def operands_of(are_numbers: tuple[bool, ...]) -> Any:
    """Make the intrinsic that returns the operands of a task: arrays of ``count`` elements, and numbers, of a dtype."""

    @intrinsic
    def operands(_context: Any, like: Any, task: Any, count: Any) -> Any:
        array = types.Array(like.dtype, 1, "C")
        kinds = types.Tuple([like.dtype if is_number else array for is_number in are_numbers])

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            found = []
            for position, is_number in enumerate(are_numbers):
                stored = ir.DoubleType() if is_number else ir.IntType(64)
                place = builder.add(args[1], ir.IntType(64)(OPERANDS + 8 * position))
                value = builder.load(builder.inttoptr(place, stored.as_pointer()))
                found.append(
                    context.cast(builder, value, types.float64, like.dtype)
                    if is_number
                    else make_array(context, builder, array, value, args[2])
                )
            return context.make_tuple(builder, kinds, found)

        return kinds(like, types.int64, types.intp), emit

    return operands


@intrinsic
def operands_in(_context: Any, out: Any, inputs: Any, index: Any) -> Any:
    """Return ``inputs[k][index]`` of each array, and the numbers as they are, all of the dtype of ``out``."""
    result = types.UniTuple(out.dtype, len(inputs))

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = []
        for position, kind in enumerate(sig.args[1]):
            value = builder.extract_value(args[1], position)
            if isinstance(kind, types.Array):
                value = builder.load(builder.gep(context.make_array(kind)(context, builder, value).data, [args[2]]))
                value.set_metadata("alias.scope", _inputs(builder))
            values.append(value)
        return context.make_tuple(builder, result, values)

    return result(out, inputs, types.intp), emit


def _putting(*, over: bool) -> Any:
    @intrinsic
    def store(_context: Any, out: Any, index: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            place = builder.gep(context.make_array(sig.args[0])(context, builder, args[0]).data, [args[1]])
            stored = builder.store(context.cast(builder, args[2], sig.args[2], sig.args[0].dtype), place)
            if over:
                stored.set_metadata("noalias", _inputs(builder))
            return context.get_dummy_value()

        return types.void(out, types.intp, value), emit

    return store


put = _putting(over=False)
"""``put(out, index, value)`` without Python's meaning of a negative index, whose check keeps loops scalar."""
put_over = _putting(over=True)
"""The same where ``out`` is apart from the inputs of `operands_in`, or lies exactly over them.

The compiler is told that it is apart, so that the loop is vector code without a check. No order that this allows can
be wrong: what is read of an element is of use only for what is stored there, so it comes before.
"""


def _inputs(builder: Any) -> Any:
    """Return LLVM's name for the memory of the inputs."""
    module = builder.module
    domain = module.add_metadata(["fused_kernels.elements"])
    return module.add_metadata([module.add_metadata(["inputs", domain])])
