"""The dtype of the result, and the one that it is computed in."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from fused_kernels.dispatch import FLOAT32, FLOAT64, FLOATS, Array
from fused_kernels.errors import DtypeError

_COMPUTED_IN: dict[str, np.dtype[Any]] = {
    "float16": FLOAT32,
    "bfloat16": FLOAT32,
    "float32": FLOAT32,
    "float64": FLOAT64,
}
# NumPy calls float8_e5m2 a float as well, but computes nothing worth having in it.
_REAL = {*_COMPUTED_IN, np.dtype(np.longdouble).name}


def result_dtype(operation: str, arrays: Mapping[str, Array | None]) -> np.dtype[Any]:
    """Return the dtype of the result: NumPy's promotion of the arrays (None is left out), and float64 for integers.

    Without any array it is float64, that of Python's numbers. Those are to be left out beside arrays: they adapt to any
    dtype of floats, also to bfloat16, for which NumPy's promotion would have float64.

    Raises
    ------
    DtypeError
        If the dtypes have none in common.
    """
    dtypes = {key: value.dtype for key, value in arrays.items() if value is not None}
    try:
        common = np.result_type(*dtypes.values()) if dtypes else FLOAT64
    except TypeError as error:
        received = ", ".join(f"{key}: {dtype}" for key, dtype in dtypes.items())
        raise DtypeError(
            f"{operation}: there is no dtype that holds all of the inputs; received {received}. "
            "Convert them to one, for example with .astype('float32')."
        ) from error
    return FLOAT64 if common.kind in "biu" else common.newbyteorder("=")


@functools.lru_cache(maxsize=64)
def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype of the kernel for results of ``dtype``; None if there is none."""
    return _COMPUTED_IN.get(dtype.name)


def read_as(dtype: np.dtype[Any], computed: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which a formula computed in ``computed`` reads an array of ``dtype``: its own if it can."""
    if dtype in FLOATS:
        return dtype
    native = dtype.newbyteorder("=")
    return native if native.kind in "biu" or native in FLOATS else computed


@functools.lru_cache(maxsize=64)
def is_real(dtype: np.dtype[Any]) -> bool:
    """Whether an array of this dtype holds real numbers that can be computed with."""
    return dtype.kind in "biu" or dtype.name in _REAL
