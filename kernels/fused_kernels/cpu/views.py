"""Arrays made of addresses inside kernels: no copy, no owner, no reference count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from fused_kernels.dispatch import FLOATS

LIKE = {dtype: np.empty(0, dtype) for dtype in FLOATS}
"""What `array_at` takes for an array of each dtype."""


@intrinsic
def row_of(_context: Any, x: Any, index: Any) -> Any:
    """Return row ``index`` from 0 up as a contiguous array, which it must be, however far apart the rows are."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source = context.make_array(sig.args[0])(context, builder, args[0])
        (step, _), (_, count) = (cgutils.unpack_tuple(builder, pair, 2) for pair in (source.strides, source.shape))
        data = cgutils.pointer_add(builder, source.data, builder.mul(step, args[1]))
        return _array(context, builder, sig.return_type, data, count)

    return types.Array(x.dtype, 1, "C")(x, types.intp), emit


@intrinsic
def part_of(_context: Any, x: Any, first: Any, count: Any) -> Any:
    """Return ``x[first : first + count]`` of a contiguous row that has so many, without what a slice costs."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return _array(context, builder, sig.return_type, builder.gep(data, [args[1]]), args[2])

    return types.Array(x.dtype, 1, "C")(x, types.intp, types.intp), emit


@intrinsic
def array_at(_context: Any, like: Any, address: Any, count: Any) -> Any:
    """Return the ``count`` elements at ``address`` as an array of the dtype of ``like``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return make_array(context, builder, sig.return_type, args[1], args[2])

    return types.Array(like.dtype, 1, "C")(like, types.int64, types.intp), emit


@intrinsic
def address_of(_context: Any, x: Any) -> Any:
    """Return the address of the first element of an array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(x), emit


def make_array(context: Any, builder: Any, kind: Any, address: Any, count: Any) -> Any:
    """Emit what `array_at` returns; ``kind`` is the type of the array."""
    pointer = context.get_value_type(types.CPointer(kind.dtype))
    return _array(context, builder, kind, builder.inttoptr(address, pointer), count)


def _array(context: Any, builder: Any, kind: Any, data: Any, count: Any) -> Any:
    result = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    populate_array(result, data=data, shape=(count,), strides=(size,), itemsize=size, meminfo=None)
    return result._getvalue()
