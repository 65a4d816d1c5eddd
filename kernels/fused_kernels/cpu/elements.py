"""Operations that are a formula of scalars: compiled in all forms over arrays of one size and scalars."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .compile import Kernel, inline, kernel
from .fork_join import parallel
from .forms import Forms
from .intrinsics import stream, stream_end

_TILE = 512
"""Elements that are finished in the first-level cache before they are stored."""
_GRAIN = 64
"""Shares of threads are multiples of it, so that no two write to one cache line."""


def element_forms(name: str, formula: Kernel, *, parallel_from: int, key: str = "") -> Forms:
    """Make the forms of an elementwise operation.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    formula
        A function of scalars, all in the dtype of the result, that returns one.
    parallel_from
        Bytes of the result from which threads pay.
    key
        Text that the compiled code depends on beside this package's sources: the formula's own, if it is a user's.

    Returns
    -------
    Forms
        To be run with ``out`` and the inputs: C-contiguous arrays of one size, of any number of axes, and scalars.
    """
    compute = inline(formula)

    def share_of_elements(share: int, shares: int, out: Any, *inputs: Any) -> None:
        first, last = _bounds(share, shares, out.size)
        for i in range(first, last):
            _put(out, i, compute(*_operands(out, inputs, i)))

    def staged_share(share: int, shares: int, streaming: bool, out: Any, *inputs: Any) -> None:
        begin, last = _bounds(share, shares, out.size)
        scratch = np.empty(_TILE, out.dtype)
        for first in range(begin, last, _TILE):
            count = min(_TILE, last - first)
            for i in range(count):
                _put(scratch, i, compute(*_operands(out, inputs, first + i)))
            if streaming:
                stream(out, first, scratch, count)
            else:
                for i in range(count):
                    _put(out, first + i, scratch[i])
        stream_end()

    return Forms(
        kernel(f"{name}.direct", key=key)(_direct(compute, len(inspect.signature(formula).parameters))),
        parallel(f"{name}.parallel", inline(share_of_elements), key=key),
        parallel(f"{name}.staged", inline(staged_share), key=key),
        parallel_from,
    )


def _direct(compute: Kernel, arity: int) -> Kernel:
    """Return the serial loop; for one and two inputs by name, since gathering ``*inputs`` costs 60 ns a call."""

    def one(out: Any, a: Any) -> None:
        for i in range(out.size):
            _put(out, i, compute(*_operands(out, (a,), i)))

    def two(out: Any, a: Any, b: Any) -> None:
        for i in range(out.size):
            _put(out, i, compute(*_operands(out, (a, b), i)))

    def several(out: Any, *inputs: Any) -> None:
        for i in range(out.size):
            _put(out, i, compute(*_operands(out, inputs, i)))

    by_arity: dict[int, Kernel] = {1: one, 2: two}
    return by_arity.get(arity, several)


@inline
def _bounds(share: Any, shares: Any, size: Any) -> Any:
    """Return the first element of a share, and the one after its last."""
    most = (size + shares * _GRAIN - 1) // (shares * _GRAIN) * _GRAIN
    return min(share * most, size), min((share + 1) * most, size)


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
