"""NumPy's array objects as Python hands them over, looked into by the kernel itself.

Numba's dispatcher looks at the type of each argument, makes a counted reference to each array, and compiles anew for
each layout and for read-only arrays: 0.3 µs for a call that here costs 0.1. The parameters of a kernel that is started
through `compile.entry` are of type `given` instead: any object, or None. Of one that is no array, as `is_plain` tells,
nothing else here must be asked.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import NativeValue, box, intrinsic, models, register_model, unbox

from . import llvm
from .addresses import address_of_symbol, symbol, word_at
from .compile import inline

_WORD = ir.IntType(64)


class _Given(types.Type):
    """An object of Python as it is, or None."""

    def __init__(self) -> None:
        super().__init__("Given")


given = _Given()
"""Type of a parameter that is any object, or None; a result of this type is a new reference."""


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
_CLASS, _FLOAT = object.__basicsize__ - 8, object.__basicsize__


@inline
def is_none(array):  # type: ignore[no-untyped-def]
    """Whether None was given."""
    return place_of(array) == 0


@inline
def data_of(array):  # type: ignore[no-untyped-def]
    """Return the address of the first element, 0 for None."""
    place = place_of(array)
    return word_at(place + _DATA) if place != 0 else 0


@inline
def shape_of(array):  # type: ignore[no-untyped-def]
    """Return the address of the lengths of the axes, a word each."""
    return word_at(place_of(array) + _SHAPE)


@inline
def axes_of(array):  # type: ignore[no-untyped-def]
    """Return the number of axes."""
    return word_at(place_of(array) + _AXES) & 0xFFFFFFFF


@inline
def matrix_of(array):  # type: ignore[no-untyped-def]
    """Return the last two axes of an array that has as many."""
    place = place_of(array)
    # The last axis but one, in bytes.
    axis = 8 * (axes_of(array) - 2)
    shape, strides = word_at(place + _SHAPE) + axis, word_at(place + _STRIDES) + axis
    return Matrix(word_at(place + _DATA), word_at(shape), word_at(shape + 8), word_at(strides), word_at(strides + 8))


@inline
def dtype_number(array):  # type: ignore[no-untyped-def]
    """Return NumPy's number of the dtype; -1 for another order of bytes and where elements lie askew."""
    place = place_of(array)
    # In one word: kind, letter, byte order, flags, each of 8 bits, and the number.
    words = word_at(dtype_of(array) + _KIND)
    number, order = words >> 32, (words >> 16) & 0xFF
    native = order in (0x3D, 0x7C)  # "=" or "|"
    return number if native and word_at(place + _FLAGS) & _ALIGNED != 0 else -1


@inline
def float_size(array):  # type: ignore[no-untyped-def]
    """Return 4 for a native float32, 8 for a native float64, 0 for any other dtype and where elements lie askew."""
    number = dtype_number(array)
    return 4 if number == _FLOAT32 else 8 if number == _FLOAT64 else 0


@inline
def is_row(array, size):  # type: ignore[no-untyped-def]
    """Whether an array has one axis of ``size`` elements, that are neighbours."""
    place = place_of(array)
    return (
        axes_of(array) == 1 and word_at(word_at(place + _SHAPE)) == size and word_at(place + _FLAGS) & _CONTIGUOUS != 0
    )


@inline
def is_target(array):  # type: ignore[no-untyped-def]
    """Whether an array is contiguous and may be written to."""
    wanted = _CONTIGUOUS | _WRITEABLE
    return word_at(place_of(array) + _FLAGS) & wanted == wanted


@inline
def class_of(thing):  # type: ignore[no-untyped-def]
    """Return the address of the class of an object that is not None."""
    return word_at(place_of(thing) + _CLASS)


@inline
def is_plain(array):  # type: ignore[no-untyped-def]
    """Whether an object is an array of NumPy's own class, and not of a subclass."""
    place = place_of(array)
    return place != 0 and word_at(place + _CLASS) == ndarray()


@inline
def float_in(number):  # type: ignore[no-untyped-def]
    """Return the address of the value of a float of Python; 0 for any other object."""
    place = place_of(number)
    return place + _FLOAT if place != 0 and word_at(place + _CLASS) == _float() else 0


@inline
def is_same(one, other):  # type: ignore[no-untyped-def]
    """Whether both are one object."""
    return place_of(one) == place_of(other)


@inline
def is_contiguous(array):  # type: ignore[no-untyped-def]
    """Whether the elements are neighbours, in C order."""
    return word_at(place_of(array) + _FLAGS) & _CONTIGUOUS != 0


@inline
def elements_of(array):  # type: ignore[no-untyped-def]
    """Return the number of elements."""
    count, shape = 1, word_at(place_of(array) + _SHAPE)
    for axis in range(axes_of(array)):
        count *= word_at(shape + 8 * axis)
    return count


@inline
def is_alike(array, other):  # type: ignore[no-untyped-def]
    """Whether two arrays have one shape."""
    axes = axes_of(array)
    return axes_of(other) == axes and begins_alike(array, other, axes)


@inline
def begins_alike(array, other, axes):  # type: ignore[no-untyped-def]
    """Whether the first ``axes`` axes of two arrays, which have as many, are of the same lengths."""
    one, two, same = shape_of(array), shape_of(other), True
    for axis in range(axes):
        same = same and word_at(one + 8 * axis) == word_at(two + 8 * axis)
    return same


@inline
def rows_of(array, size):  # type: ignore[no-untyped-def]
    """Return an array as rows along its last axis; with no rows if it has none or they do not lie one step apart.

    Its elements of ``size`` bytes must be neighbours in a row.
    """
    place = place_of(array)
    axes, shape = axes_of(array), word_at(place + _SHAPE)
    if axes == 2:
        found = matrix_of(array)
        if found.column_stride == size or found.columns == 1:
            return found
    rows, columns = int(axes != 0 and word_at(place + _FLAGS) & _CONTIGUOUS != 0), 1
    for axis in range(axes):
        rows, columns = rows * columns, word_at(shape + 8 * axis)
    return Matrix(word_at(place + _DATA), rows, columns, columns * size, size)


@inline
def is_writeable(array):  # type: ignore[no-untyped-def]
    """Whether an array may be written to."""
    return word_at(place_of(array) + _FLAGS) & _WRITEABLE != 0


@inline
def dtype_of(array):  # type: ignore[no-untyped-def]
    """Return the address of the dtype."""
    return word_at(place_of(array) + _DTYPE)


def numpy_function(index: int) -> int:
    """Return the address of a function of NumPy's C interface, by its fixed place in the table of these."""
    capsule = importlib.import_module("numpy._core._multiarray_umath")._ARRAY_API
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))[index] or 0)


ndarray = address_of_symbol(symbol("fused_kernels.ndarray", id(np.ndarray)))
"""The address of the class."""
_float = address_of_symbol(symbol("fused_kernels.float", id(float)))
_NEW_LIKE = symbol("fused_kernels.new_like", numpy_function(277))  # PyArray_NewLikeArray


@intrinsic
def object_at(_context: Any, place: Any) -> Any:
    """Return the object to which the word at an address points."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _WORD.as_pointer()))

    return given(types.int64), emit


@intrinsic
def new_like(_context: Any, array: Any) -> Any:
    """Return a new C-contiguous array of the shape and dtype of an array, or None if there is no memory.

    Only for a kernel that keeps Python's lock.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # In C order, of the same dtype, not of a subclass.
        numbers = [ir.Constant(ir.IntType(32), 0), _WORD(0), ir.Constant(ir.IntType(32), 0)]
        return made(context, builder, _NEW_LIKE, [args[0], *numbers])

    return given(given), emit


def made(context: Any, builder: Any, function: str, args: list[Any]) -> Any:
    """Emit the call of a function that returns a new object: None, if it fails."""
    result = llvm.call(builder, function, args, _WORD)
    with builder.if_then(builder.icmp_unsigned("==", result, _WORD(0)), likely=False):
        context.get_python_api(builder).err_clear()
    return result


@intrinsic
def shared(_context: Any, array: Any) -> Any:
    """Return an object that was given, for which its count of references is raised; with Python's lock kept."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        api = context.get_python_api(builder)
        api.incref(builder.inttoptr(args[0], api.pyobj))
        return args[0]

    return given(given), emit


@intrinsic
def nothing(_context: Any) -> Any:
    """Return None."""
    return given(), lambda context, builder, sig, args: _WORD(0)


@register_model(_Given)
class _GivenModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORD)


@unbox(_Given)
def _unbox(_kind: Any, value: Any, c: Any) -> Any:
    missing = c.builder.icmp_unsigned("==", value, c.pyapi.borrow_none())
    return NativeValue(c.builder.select(missing, _WORD(0), c.builder.ptrtoint(value, _WORD)))


@intrinsic
def place_of(_context: Any, array: Any) -> Any:
    """Return the address of an object, 0 for None."""
    return types.int64(given), lambda context, builder, sig, args: args[0]


@box(_Given)
def _box(_kind: Any, value: Any, c: Any) -> Any:
    missing = c.builder.icmp_unsigned("==", value, _WORD(0))
    nothing_, it = c.pyapi.borrow_none(), c.builder.inttoptr(value, c.pyapi.pyobj)
    with c.builder.if_then(missing):
        c.pyapi.incref(nothing_)
    return c.builder.select(missing, nothing_, it)
