"""The dtype of a result, by names: torch's bfloat16 has no NumPy dtype where ml_dtypes is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fused_kernels.errors import DtypeError

BFLOAT16 = "bfloat16"
_FLOATS = {BFLOAT16, "float16", "float32", "float64"}


def is_integer(dtype: str) -> bool:
    """Whether values of the dtype are integers or booleans."""
    return dtype == "bool" or dtype.startswith(("int", "uint"))


def common_dtype(operation: str, dtypes: Mapping[str, str]) -> str:
    """Return the dtype of the result: NumPy's promotion, float64 for integers, as `conversion.dtypes` has it.

    Raises
    ------
    DtypeError
        For complex numbers and whatever else is no real number.
    """
    kinds = {*dtypes.values()}
    if len(kinds) == 1 and kinds <= _FLOATS:
        return kinds.pop()
    for key, dtype in dtypes.items():
        if not (is_integer(dtype) or dtype in _FLOATS):
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
    return {dtype, to} <= _FLOATS
