"""What the loops over elements share: the bounds of a share of them, and what goes in and out for one."""

from __future__ import annotations

import re
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fused_kernels.cpu import llvm
from fused_kernels.cpu.compile import inline
from fused_kernels.cpu.views import make_array

from .elements_launch import OPERANDS

_SIDE_BY_SIDE = 4
"""Vectors: with four, exp takes 0.77 of the time that it takes with one, log1p(exp(x)) 0.62, in either dtype."""
_MANY_STEPS = 8
"""Operations of a formula from which it does so; dropout_add, which has 3, would be a fifth slower."""
_GRAIN = 64
"""Shares of threads are multiples of it, so that no two write to one cache line."""


@inline
def bounds(share: Any, shares: Any, size: Any) -> Any:
    """Return the first element of a share, and the one after its last."""
    most = (size + shares * _GRAIN - 1) // (shares * _GRAIN) * _GRAIN
    return min(share * most, size), min((share + 1) * most, size)


@intrinsic
def each(_context: Any, first: Any, last: Any, body: Any, arguments: Any) -> Any:
    """Call ``body(i, *arguments)``, compiled to be inlined, for each i from ``first`` up to ``last``, in any order.

    What a formula computes of an element waits on what came before it: a core that sees one vector of elements at a
    time is idle for half of it. So the loop over a long formula is made of several vectors side by side; of a short
    one, which waits for memory, LLVM decides.
    """
    call = body.get_call_type(_context, (types.intp, *arguments), {})

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, last, _, values = args
        run = context.get_function(body, call)
        function, start = builder.function, builder.block
        loop, end = function.append_basic_block("each"), function.append_basic_block("each.end")
        builder.cbranch(builder.icmp_signed("<", first, last), loop, end)
        builder.position_at_end(loop)
        index = builder.phi(first.type)
        index.add_incoming(first, start)
        run(builder, [index, *cgutils.unpack_tuple(builder, values)])
        following = builder.add(index, index.type(1), flags=["nsw"])
        index.add_incoming(following, builder.block)
        branch = builder.cbranch(builder.icmp_signed("<", following, last), loop, end)
        if _steps(body.dispatcher.overloads[call.args].library) >= _MANY_STEPS:
            branch.set_metadata("llvm.loop", llvm.loop_hint(builder, "interleave.count", _SIDE_BY_SIDE))
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(first, last, body, arguments), emit


def _steps(library: Any) -> int:
    """Return how many floating-point operations a compiled function has, of which one or two go to each element."""
    return len(re.findall(r"= (?:tail call .*@llvm\.fma|f(?:add|sub|mul|div) )", library.get_llvm_str()))


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
                value.set_metadata("alias.scope", llvm.read_only(builder))
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
                stored.set_metadata("noalias", llvm.read_only(builder))
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
