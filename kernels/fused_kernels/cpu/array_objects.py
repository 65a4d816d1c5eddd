"""NumPy's array objects as Python hands them over, looked into by the kernel itself.

Numba's dispatcher looks at the type of each argument, makes a counted reference to each array, and compiles anew for
each layout and for read-only arrays: 0.3 µs for a call that here costs 0.1. The parameters of a kernel that is started
through `compile.entry` are of type `given` instead: any array, or None.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import NativeValue, intrinsic, models, register_model, unbox

from .addresses import word_at
from .compile import inline

_WORD = ir.IntType(64)


class _Given(types.Type):
    """A NumPy array as it is, or None."""

    def __init__(self) -> None:
        super().__init__("Given")


given = _Given()
"""Type of a parameter that is any NumPy array, or None."""


class Matrix(NamedTuple):
    """The last two axes of an array: address, sizes, and strides in bytes."""

    data: int
    rows: int
    columns: int
    row_stride: int
    column_stride: int


# The fields of an array, and of its dtype, that NumPy's C interface fixes, in bytes from the start of the object.
_DATA = object.__basicsize__
_AXES, _SHAPE, _STRIDES, _DTYPE, _FLAGS = _DATA + 8, _DATA + 16, _DATA + 24, _DATA + 40, _DATA + 48
_KIND = object.__basicsize__ + 8
_FLOAT32, _FLOAT64 = 11, 12
_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400


@inline
def is_none(array):  # type: ignore[no-untyped-def]
    """Whether None was given."""
    return _place(array) == 0


@inline
def data_of(array):  # type: ignore[no-untyped-def]
    """Return the address of the first element, 0 for None."""
    place = _place(array)
    return word_at(place + _DATA) if place != 0 else 0


@inline
def axes_of(array):  # type: ignore[no-untyped-def]
    """Return the number of axes."""
    return word_at(_place(array) + _AXES) & 0xFFFFFFFF


@inline
def matrix_of(array):  # type: ignore[no-untyped-def]
    """Return the last two axes of an array that has as many."""
    place = _place(array)
    # The last axis but one, in bytes.
    axis = 8 * (axes_of(array) - 2)
    shape, strides = word_at(place + _SHAPE) + axis, word_at(place + _STRIDES) + axis
    return Matrix(word_at(place + _DATA), word_at(shape), word_at(shape + 8), word_at(strides), word_at(strides + 8))


@inline
def float_size(array):  # type: ignore[no-untyped-def]
    """Return 4 for a native float32, 8 for a native float64, 0 for any other dtype and where elements lie askew."""
    place = _place(array)
    # In one word: kind, letter, byte order, flags, each of 8 bits, and NumPy's number of the dtype.
    words = word_at(word_at(place + _DTYPE) + _KIND)
    number, order = words >> 32, (words >> 16) & 0xFF
    if order != 0x3D or word_at(place + _FLAGS) & _ALIGNED == 0:  # "="
        return 0
    return 4 if number == _FLOAT32 else 8 if number == _FLOAT64 else 0


@inline
def is_row(array, size):  # type: ignore[no-untyped-def]
    """Whether an array has one axis of ``size`` elements, that are neighbours."""
    place = _place(array)
    return (
        axes_of(array) == 1 and word_at(word_at(place + _SHAPE)) == size and word_at(place + _FLAGS) & _CONTIGUOUS != 0
    )


@inline
def is_target(array):  # type: ignore[no-untyped-def]
    """Whether an array is contiguous and may be written to."""
    wanted = _CONTIGUOUS | _WRITEABLE
    return word_at(_place(array) + _FLAGS) & wanted == wanted


@register_model(_Given)
class _GivenModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORD)


@unbox(_Given)
def _unbox(_kind: Any, value: Any, c: Any) -> Any:
    missing = c.builder.icmp_unsigned("==", value, c.pyapi.borrow_none())
    return NativeValue(c.builder.select(missing, _WORD(0), c.builder.ptrtoint(value, _WORD)))


@intrinsic
def _place(_context: Any, array: Any) -> Any:
    return types.int64(given), lambda context, builder, sig, args: args[0]
