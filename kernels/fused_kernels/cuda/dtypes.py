"""Dtypes by their names: torch's bfloat16 has no NumPy dtype where ml_dtypes is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fused_kernels.errors import DtypeError

BFLOAT16 = "bfloat16"
FLOATS = {"float16": "f16", BFLOAT16: "bf16", "float32": "float", "float64": "double"}
"""The dtypes that there are kernels for, as common.cuh calls them; the first two are computed in float32."""
TYPES = {
    **FLOATS,
    "bool": "bool",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
    "int64": "i64",
    "uint64": "unsigned long long",
}
"""Those that formulas read as well."""
_SIZES = {dtype: 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize for dtype in TYPES}


def itemsize(dtype: str) -> int:
    """Return the bytes of an element."""
    return _SIZES.get(dtype) or np.dtype(dtype).itemsize


def computed_in(dtype: str) -> str:
    """Return what values of a dtype are computed in, as C++ calls it."""
    return "double" if dtype == "float64" else "float"


def is_integer(dtype: str) -> bool:
    """Whether values of the dtype are integers or booleans."""
    return dtype == "bool" or dtype.startswith(("int", "uint"))


def common_dtype(operation: str, dtypes: Mapping[str, str]) -> str:
    """Return the dtype of the result: NumPy's promotion, float64 for integers, as `conversion.dtypes` has it.

    Raises
    ------
    DtypeError
        For complex numbers and whatever else is no real number, and where there is no kernel for the common one.
    """
    kinds = {*dtypes.values()}
    if len(kinds) == 1 and kinds <= FLOATS.keys():
        return kinds.pop()
    for key, dtype in dtypes.items():
        if not (is_integer(dtype) or dtype in FLOATS):
            raise DtypeError(
                f"{operation}: {key} has dtype {dtype}; real numbers are needed. Convert it, for example to float32."
            )
    others = sorted({dtype for dtype in dtypes.values() if dtype != BFLOAT16})
    if len(others) == len(kinds):
        common = np.result_type(*others).name if others else "float64"
    else:
        common = np.result_type(*others).name if others else BFLOAT16
        # As ml_dtypes promotes: small integers fit into it, and it fits into float32.
        common = BFLOAT16 if common in ("bool", "int8", "uint8") else common
        if common not in (BFLOAT16, "float32", "float64"):
            received = ", ".join(f"{key}: {dtype}" for key, dtype in dtypes.items())
            raise DtypeError(
                f"{operation}: there is no dtype that holds all of the inputs; received {received}. "
                "Convert them to one, for example to float32."
            )
    return "float64" if is_integer(common) else common


def castable(dtype: str, to: str) -> bool:
    """Whether results of a dtype may be written to an array of another: from floats to floats."""
    return {dtype, to} <= FLOATS.keys()
