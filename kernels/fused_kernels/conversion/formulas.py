"""Formulas of scalars: arrays of any strides, broadcast against each other, and numbers.

Three things differ from other operations. Python's numbers adapt to the dtype of the arrays, as they do in NumPy.
Arrays are read where they lie, integers too, since the loop over tiles gathers and converts as it goes. And an ``out``
that lies exactly over an input is no overlap, since each element is read before it is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cuda import arrays as gpu_arrays
from fused_kernels.dispatch import explain_received, lazy_import, ready, result
from fused_kernels.errors import ShapeError

from . import tensors
from .arguments import as_operand
from .dtypes import computed_in, read_as, result_dtype
from .layout import taken
from .reference import by_reference
from .results import check_dtypes, check_number, each, finished, is_direct

gpu = lazy_import("fused_kernels.cuda.elements")


def convert_formula(operation: Any, args: tuple[Any, ...], out: Any) -> Any:
    """Compute what is not a call with plain arrays of one shape and dtype.

    Parameters
    ----------
    operation
        Made by `formula_call.public`.
    args
        All arguments in order, as received.
    out
        As received: any array of the caller's library into which the result can be cast (``"same_kind"``).

    Raises
    ------
    DtypeError
        For complex, text, object and masked arrays, tensors that require grad, and arrays on another device.
    ShapeError
        If shapes do not broadcast, or ``out`` has another shape than the result.
    """
    name, received = operation.__name__, dict(zip(operation.parameters, args, strict=True))
    check_number(name, out, 1)
    library = gpu_arrays.of((*args, *each(out)))
    if library is not None:
        return gpu.run(operation, library, received, out)
    if tensors.are_among(*args, *each(out)):
        return tensors.call(operation, received, {}, out)
    values = {key: as_operand(name, key, value) for key, value in received.items()}
    arrays = {key: value for key, value in values.items() if isinstance(value, np.ndarray)}
    common = result_dtype(name, arrays)
    check_dtypes(name, out, common)
    shape = _shape(name, values)
    if out is not None:
        result(name, out, shape, common)
    dtype = computed_in(common)
    if dtype is None:
        planned = np.empty(shape, common)
        return by_reference(
            name, lambda: _whole(operation.reference(*values.values()), shape), planned=planned, out=out, dtype=common
        )
    direct = is_direct(out, dtype, "any")
    target = out if direct else None
    operands = [
        value if isinstance(value, float) else taken(key, value, read_as(value.dtype, dtype), each(out), "any")
        for key, value in values.items()
    ]
    if arrays and all(isinstance(value, float) or _is_plain(value, target, shape, dtype) for value in operands):
        found = operation(*operands, out=target)
    else:
        operands = [np.asarray(value, dtype) if isinstance(value, float) else value for value in operands]
        found = operation.forms().run_strided(operands, target, shape, dtype)
    return out if direct else finished(name, out, found, common=common, computed=dtype, layout="any")


def _shape(operation: str, values: dict[str, Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    except ValueError as error:
        raise ShapeError(
            f"{operation}: the shapes do not broadcast; received {explain_received(**values)}. From the last axis on, "
            "lengths must be equal, or one of them 1."
        ) from error


def _is_plain(value: Any, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return ready(value, out) and value.shape == shape and value.dtype == dtype


def _whole(found: Any, shape: tuple[int, ...]) -> Any:
    """Return the result of a reference in all of its shape: a formula need not use all of its arguments."""
    return found if np.shape(found) == shape else np.broadcast_to(found, shape).copy()
