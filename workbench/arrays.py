"""dtypes by their standard names, and the description of a model's inputs and outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError
from .text import format_shape

Dimension = int | str | None
"""A size, the name of a symbolic dimension, or None where nothing is known."""

DTYPE_BITS = {
    "bool": 8,
    "int2": 2,
    "uint2": 2,
    "int4": 4,
    "uint4": 4,
    "int8": 8,
    "uint8": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "float4_e2m1fn": 4,
    "float6_e2m3fn": 6,
    "float6_e3m2fn": 6,
    "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0fnu": 8,
    "bfloat16": 16,
    "float16": 16,
    "float32": 32,
    "float64": 64,
    "complex64": 64,
    "complex128": 128,
}
"""Bits of one element, as stored, of each dtype but ``"string"``; the names are those of NumPy, ml_dtypes and torch."""


@dataclass(frozen=True)
class TensorSpec:
    """The name, dtype and shape of one input or output.

    Parameters
    ----------
    name
        As the model calls it.
    dtype
        Standard name: ``"float32"``, ``"bfloat16"``, ``"int64"``, ``"string"``, ...
        What is no tensor is written out: ``"sequence(float32)"``, ``"map(int64, float32)"``, ``"optional(int8)"``.
    shape
        One :data:`Dimension` per axis; ``None`` for a tensor of unknown rank.
    optional
        Whether a run may leave it out.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {format_shape(self.shape)}" + (" (optional)" if self.optional else "")


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a standard name, from ml_dtypes where NumPy has none; strings are objects.

    >>> numpy_dtype("float32"), numpy_dtype("bfloat16").itemsize
    (dtype('float32'), 2)

    Raises
    ------
    workbench.errors.InputError
        If there is no dtype of that name.
    """
    if name == "string":
        return np.dtype(object)
    if name not in DTYPE_BITS:
        raise InputError(f"There is no dtype {name!r}; there are: {', '.join([*DTYPE_BITS, 'string'])}.")
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        narrow: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return narrow


def dtype_name(dtype: Any) -> str:
    """Return the standard name of a NumPy, ml_dtypes or torch dtype; byte order does not matter.

    >>> dtype_name(np.dtype(">f4")), dtype_name(np.dtype("<U5"))
    ('float32', 'string')
    """
    if not isinstance(dtype, np.dtype):
        text = str(dtype).removeprefix("torch.")
        if text in DTYPE_BITS:
            return text
        dtype = np.dtype(dtype)
    return "string" if dtype.kind in "OUST" else dtype.name


def stored_nbytes(dtype: str, count: int) -> int:
    """Return the bytes of ``count`` elements as files store them: dtypes under 8 bits are packed.

    >>> stored_nbytes("float32", 3), stored_nbytes("int4", 3)
    (12, 2)
    """
    return -(-DTYPE_BITS[dtype] * count // 8)


def element_count(shape: tuple[int, ...]) -> int:
    """Return the number of elements of a shape; it does not overflow."""
    return math.prod(shape)
