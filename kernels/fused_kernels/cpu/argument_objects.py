"""Python's tuples of arguments, and the numbers in them, looked into as `array_objects` looks into arrays."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import llvm
from .addresses import address_of_symbol, elements_at, symbol, word_at
from .array_objects import class_of, float_in, given, object_at, place_of
from .compile import inline

_WORD, _DOUBLE = ir.IntType(64), ir.DoubleType()
_LENGTH, _ITEMS = object.__basicsize__, tuple.__basicsize__
_double_at = elements_at(types.float64)
_int = address_of_symbol(symbol("fused_kernels.int", id(int)))
_bool = address_of_symbol(symbol("fused_kernels.bool", id(bool)))


@inline
def length_of(arguments):  # type: ignore[no-untyped-def]
    """Return the length of a tuple."""
    return word_at(place_of(arguments) + _LENGTH)


@inline
def item_of(arguments, index):  # type: ignore[no-untyped-def]
    """Return an object out of a tuple, None as an object."""
    return object_at(place_of(arguments) + _ITEMS + 8 * index)


@inline
def number_in(item):  # type: ignore[no-untyped-def]
    """Return whether an object is one of Python's own numbers that a float can hold, and its value.

    Not an instance of a subclass. With Python's lock kept, unless it is a float.
    """
    place = float_in(item)
    if place != 0:
        return True, _double_at(place)[0]
    kind = class_of(item)
    if kind == _int() or kind == _bool():
        value = _integer_in(item)
        return not math.isnan(value), value
    return False, 0.0


@intrinsic
def _integer_in(_context: Any, item: Any) -> Any:
    """Return an integer of Python as the nearest float64, NaN if that is infinite."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = llvm.call(builder, "PyLong_AsDouble", [args[0]], _DOUBLE)
        api = context.get_python_api(builder)
        before = builder.block
        with builder.if_then(builder.fcmp_ordered("==", value, ir.Constant(_DOUBLE, -1.0)), likely=False):
            failed = builder.icmp_unsigned("!=", builder.ptrtoint(api.err_occurred(), _WORD), _WORD(0))
            with builder.if_then(failed, likely=False):
                api.err_clear()
            found = builder.select(failed, ir.Constant(_DOUBLE, math.nan), value)
            behind = builder.block
        result = builder.phi(_DOUBLE)
        result.add_incoming(value, before)
        result.add_incoming(found, behind)
        return result

    return types.float64(given), emit
