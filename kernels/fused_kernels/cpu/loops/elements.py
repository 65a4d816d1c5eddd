"""Operations that are a formula of scalars: compiled in all forms, for arrays of one size and for any others."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from fused_kernels import trace
from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import call
from fused_kernels.cpu.compile import Kernel, inline, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.intrinsics import stream, stream_end
from fused_kernels.cpu.views import LIKE, address_of, array_at, make_array
from fused_kernels.dispatch import Array

from . import strided
from .forms import Forms, last_level_cache
from .strided import ADDRESS, AXES, CODE, CONSTANT, FIELDS, OPERANDS, SIZE, STRIDES, TILE

_GRAIN = 64
"""Shares of threads are multiples of it, so that no two write to one cache line."""


@dataclass(frozen=True)
class Elements:
    """The compiled forms of an elementwise operation.

    Parameters
    ----------
    same_size
        To be run with ``out`` and the inputs: C-contiguous arrays of one size and dtype, and Python numbers.
    strided
        ``strided(state, shares, streaming, like, plan)``: a plan of `strided.arrange`, any array of the result's dtype.
    """

    same_size: Forms
    strided: Kernel

    def run_strided(
        self, inputs: list[Array], out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Array:
        """Run over arrays that are broadcast, strided or of other dtypes; see `strided.arrange`. Return the result."""
        out, plan = strided.arrange(inputs, out, shape, dtype)
        if not out.size:
            return out
        shares = self.same_size.shares(out.nbytes)
        streaming = out.nbytes >= last_level_cache() and not plan[OPERANDS + CODE]
        if trace.listeners:
            fields = [OPERANDS + FIELDS * (number + 1) for number in range(len(inputs))]
            gathered = sum(plan[field + CODE] != 0 and not plan[field + CONSTANT] for field in fields)
            reason = f"{out.nbytes} bytes on {threads.in_words(shares)}"
            reason += f", {gathered} of the inputs gathered tile by tile" if gathered else ""
            if trace.launching("numba", "strided", reason):
                return out
        self.strided(threads.state(shares), shares, streaming, LIKE[dtype], plan)
        return out


def element_forms(name: str, formula: Kernel, arity: int, *, parallel_from: int, key: str | None = "") -> Elements:
    """Make the forms of an elementwise operation.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    formula
        Compiled, to be inlined: a function of ``arity`` scalars in the dtype of the result, that returns one.
    parallel_from
        Bytes of the result from which threads pay.
    key
        As in `kernel`.
    """

    def share_of_elements(share: int, shares: int, out: Any, *inputs: Any) -> None:
        first, last = _bounds(share, shares, out.size)
        for i in range(first, last):
            _put(out, i, formula(*_operands(out, inputs, i)))

    def staged_share(share: int, shares: int, streaming: bool, out: Any, *inputs: Any) -> None:
        begin, last = _bounds(share, shares, out.size)
        scratch = np.empty(TILE, out.dtype)
        for first in range(begin, last, TILE):
            count = min(TILE, last - first)
            for i in range(count):
                _put(scratch, i, formula(*_operands(out, inputs, first + i)))
            _store(out, first, scratch, count, streaming)
        stream_end()

    tiles_of = _tiles(arity)

    def share_strided(share: int, shares: int, streaming: bool, like: Any, plan: Any) -> None:
        begin, last = _bounds(share, shares, plan[SIZE])
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
            for i in range(count):
                _put(scratch, i, formula(*_operands(scratch, inputs, i)))
            if scatter:
                _copy(plan, 0, first, count, tile)
            else:
                _store(out, first, scratch, count, streaming)
        stream_end()

    return Elements(
        Forms(
            kernel(f"{name}.serial", key=key)(_serial(formula, arity)),
            parallel(f"{name}.parallel", inline(share_of_elements), key=key),
            parallel(f"{name}.staged", inline(staged_share), key=key),
            parallel_from,
        ),
        parallel(f"{name}.strided", inline(share_strided), key=key),
    )


def _serial(formula: Kernel, arity: int) -> Kernel:
    """Return the serial loop; for one and two inputs by name, since gathering ``*inputs`` costs 60 ns a call."""

    def one(out: Any, a: Any) -> None:
        for i in range(out.size):
            _put(out, i, formula(*_operands(out, (a,), i)))

    def two(out: Any, a: Any, b: Any) -> None:
        for i in range(out.size):
            _put(out, i, formula(*_operands(out, (a, b), i)))

    def several(out: Any, *inputs: Any) -> None:
        for i in range(out.size):
            _put(out, i, formula(*_operands(out, inputs, i)))

    by_arity: dict[int, Kernel] = {1: one, 2: two}
    return by_arity.get(arity, several)


@inline
def _bounds(share: Any, shares: Any, size: Any) -> Any:
    """Return the first element of a share, and the one after its last."""
    most = (size + shares * _GRAIN - 1) // (shares * _GRAIN) * _GRAIN
    return min(share * most, size), min((share + 1) * most, size)


@inline
def _store(out: Any, first: Any, scratch: Any, count: Any, streaming: Any) -> None:
    if streaming:
        stream(out, first, scratch, count)
    else:
        for i in range(count):
            _put(out, first + i, scratch[i])


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


@intrinsic
def _operands(_context: Any, out: Any, inputs: Any, index: Any) -> Any:
    """Return ``inputs[k][index]`` of each array, and the scalars as they are, all in the dtype of ``out``."""
    kinds = [item.dtype if isinstance(item, types.Array) else item for item in inputs]
    result = types.UniTuple(out.dtype, len(kinds))

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = []
        for position, (item, kind) in enumerate(zip(sig.args[1], kinds, strict=True)):
            value = builder.extract_value(args[1], position)
            if isinstance(item, types.Array):
                place = builder.gep(context.make_array(item)(context, builder, value).data, [args[2]])
                value = context.unpack_value(builder, kind, place)
            values.append(context.cast(builder, value, kind, out.dtype))
        return context.make_tuple(builder, result, values)

    return result(out, inputs, types.intp), emit


@intrinsic
def _put(_context: Any, out: Any, index: Any, value: Any) -> Any:
    """``out[index] = value`` without Python's meaning of a negative index, whose check keeps loops scalar."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.gep(context.make_array(sig.args[0])(context, builder, args[0]).data, [args[1]])
        value = context.cast(builder, args[2], sig.args[2], sig.args[0].dtype)
        context.pack_value(builder, sig.args[0].dtype, value, place)
        return context.get_dummy_value()

    return types.void(out, types.intp, value), emit
