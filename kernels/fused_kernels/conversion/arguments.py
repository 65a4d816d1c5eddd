"""What is received becomes an array of real numbers, or is refused with what to pass instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels.dispatch import Array
from fused_kernels.errors import DtypeError

from .dtypes import is_real


def as_array(operation: str, name: str, value: Any) -> Array | None:
    """Return an argument as an array of real numbers; None stays None.

    Raises
    ------
    DtypeError
        For anything else.
    """
    if value is None:
        return None
    if isinstance(value, np.ma.MaskedArray):
        raise DtypeError(f"{operation}: {name} is a masked array, whose mask would be lost. Pass {name}.filled(value).")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"{operation}: {name} is a {type(value).__name__} and no array ({error}).") from error
    if not is_real(array.dtype):
        raise DtypeError(
            f"{operation}: {name} has dtype {array.dtype}; real numbers are needed. "
            f"Convert it, for example with {name}.astype('float32')."
        )
    return array


def as_operand(operation: str, name: str, value: Any) -> Array | float:
    """Return an argument of a formula: Python's numbers, which take the arrays' dtype, as float; all else as an array.

    Raises
    ------
    DtypeError
        For None and integers beyond all floats, and as for `as_array`.
    """
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        try:
            return float(value)
        except OverflowError as error:
            raise DtypeError(f"{operation}: {name} is an integer that no float can hold.") from error
    array = as_array(operation, name, value)
    if array is None:
        raise DtypeError(f"{operation}: {name} is None, and an array or a number is needed.")
    return array


def as_integers(operation: str, name: str, value: Any) -> Array | None:
    """Return indices or a mask as an array of integers that int64 can hold, or of booleans; None stays None.

    Raises
    ------
    DtypeError
        For floats and for integers beyond int64, and as for `as_array`.
    """
    array = as_array(operation, name, value)
    if array is None:
        return None
    if array.dtype.kind not in "biu":
        raise DtypeError(f"{operation}: {name} must hold integers or booleans; received {array.dtype} {array.shape}.")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DtypeError(f"{operation}: {name} holds {array.max()}, which no signed integer of 64 bits can.")
    return array


def check_needed(function: Callable[..., Any], arrays: Mapping[str, Any]) -> None:
    """Raise DtypeError if one of the arguments is None that have no default."""
    for key, value in arrays.items():
        if value is None and key in _needed(function):
            raise DtypeError(f"{function.__name__}: {key} is None, and an array is needed.")


@functools.cache
def _needed(function: Callable[..., Any]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)
