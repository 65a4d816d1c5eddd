"""The arguments as the original takes them: which it converts, which it refuses, and in which words.

Each refusal begins with the original's own sentence, which somebody's test may look for, and goes on with what was
received and what to do.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from fused_kernels.dispatch import FLOAT32, FLOAT64, Array, described
from fused_kernels.errors import DtypeError

Numbers = Sequence[Any] | Array
"""What is taken for a list of numbers, with a length; not yet looked into."""

_ndarray = np.ndarray
_LISTS = (list, tuple)
_BLOCK = struct.Struct("4096d")
"""Numbers that are converted at a time: their tuple stays in the cache, and takes half as long as one of all."""
# The original's own question: a deque and a range are sequences, a set, a dict and a generator are none.
_is_sequence = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)(("PySequence_Check", ctypes.pythonapi))


def float_array(name: str, value: Any, dtype: np.dtype[Any], dimensions: int) -> Array:
    """Return ``value`` if it is an array of ``dtype`` and ``dimensions``. Nothing is converted, as in the original.

    Raises
    ------
    DtypeError
        For everything else.
    """
    # Identity is the fast answer; a subclass, or an array that was pickled, takes the other.
    if type(value) is _ndarray and value.dtype is dtype and value.ndim == dimensions:
        return value
    if isinstance(value, _ndarray) and value.dtype == dtype and value.ndim == dimensions:
        return value
    axes = "1 axis" if dimensions == 1 else f"{dimensions} axes"
    raise DtypeError(
        f"argument '{name}': '{type(value).__name__}' object cannot be cast as 'ndarray'. Needed is a NumPy array of "
        f"dtype {dtype} with {axes}; received {described(value)[:200]}. {_mend(name, value, dtype, dimensions)}"
    )


def number(name: str, value: Any) -> float:
    """Return a number as a float: whatever has ``__float__`` or ``__index__``, so no text.

    Raises
    ------
    DtypeError
        For everything else.
    OverflowError
        For an integer that no float64 holds.
    """
    return value if type(value) is float else floats(name, (value,))[0]


def sequence(name: str, value: Any) -> Numbers:
    """Return ``value`` as something with a length that can be gone through twice.

    Raises
    ------
    DtypeError
        For what is no sequence, and for text.
    """
    if type(value) is list or isinstance(value, _LISTS) or (type(value) is _ndarray and value.ndim):
        return value
    if isinstance(value, str):
        raise DtypeError(f"argument '{name}': Can't extract `str` to `Vec`: received text. Pass a list of numbers.")
    if not _is_sequence(value):
        raise DtypeError(
            f"argument '{name}': '{type(value).__name__}' object cannot be cast as 'Sequence'. "
            "Pass a list of numbers, or list(...) of what yields them."
        )
    try:
        return list(value)
    except TypeError as error:
        raise DtypeError(f"argument '{name}': {error}. Pass a list of numbers.") from error


def floats(name: str, values: Numbers) -> array[float]:
    """Return the numbers of a sequence as Python's own array of doubles: the quick way for a few.

    Raises
    ------
    DtypeError
        For an element that is no number.
    OverflowError
        For an integer that no float64 holds.
    """
    try:
        return array("d", values)
    except TypeError as error:
        raise DtypeError(f"argument '{name}': {error}. Pass real numbers.") from error


def packed(name: str, values: Numbers) -> Array:
    """Return the same as a NumPy array: the quick way for many.

    Raises
    ------
    DtypeError
        For an element that is no number.
    OverflowError
        For an integer that no float64 holds.
    """
    if isinstance(values, np.ndarray):
        numeric = values.ndim == 1 and values.dtype.kind in "biuf"
        return np.ascontiguousarray(values, FLOAT64) if numeric else np.frombuffer(floats(name, values))
    size = len(values)
    result = np.empty(size)
    memory, blocks = result.data, size - size % 4096
    try:
        for first in range(0, blocks, 4096):
            _BLOCK.pack_into(memory, 8 * first, *values[first : first + 4096])
        struct.pack_into(f"{size - blocks}d", memory, 8 * blocks, *(values[blocks:] if blocks else values))
    except struct.error:  # which tells neither what came nor why it is wrong
        return np.frombuffer(floats(name, values))
    return result


def _mend(name: str, value: Any, dtype: np.dtype[Any], dimensions: int) -> str:
    if not isinstance(value, np.ndarray):
        return f"Pass np.asarray({name}, np.{dtype})."
    if value.dtype == dtype:
        return f"Pass {name}.reshape(-1)." if dimensions == 1 else f"Pass {name}.reshape(-1, columns)."
    other = {FLOAT32: FLOAT64, FLOAT64: FLOAT32}[dtype]
    if value.dtype == other:
        sibling = "with" if other == FLOAT32 else "without"
        return f"Pass {name}.astype(np.{dtype}), or call the function {sibling} the suffix _f32, if there is one."
    return f"Pass {name}.astype(np.{dtype})."
