"""torch tensors on the CPU: the same memory as arrays, and results as tensors. torch itself is never imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels.errors import DtypeError

from .results import as_keyword, each


def are_among(*values: Any) -> bool:
    """Whether any of the values is a tensor."""
    # Without the attribute, another thread is just importing torch: there are no tensors yet.
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and any(isinstance(value, tensor) for value in values)


def call(function: Callable[..., Any], arrays: Mapping[str, Any], options: Mapping[str, Any], out: Any) -> Any:
    """Call a function of arrays with what shares the memory of tensors, and return its result as tensors.

    Raises
    ------
    DtypeError
        For tensors that require grad, lie on another device, or that NumPy cannot share; for results that torch cannot.
    """
    torch, name = sys.modules["torch"], function.__name__
    shared = {key: _shared(name, key, value, torch) for key, value in arrays.items()}
    targets = tuple(_shared(name, "out", item, torch) for item in each(out))
    found = function(
        **shared, **options, **as_keyword(targets if isinstance(out, tuple) else next(iter(targets), None))
    )
    return out if out is not None else _as_tensors(name, found, torch)


def _as_tensors(operation: str, result: Any, torch: Any) -> Any:
    """Return arrays and NumPy's scalars, also in a tuple, as tensors that share their memory."""
    if isinstance(result, tuple):
        return tuple(_as_tensors(operation, item, torch) for item in result)
    if not isinstance(result, np.ndarray | np.generic):
        return result
    try:
        return torch.from_numpy(np.asarray(result))
    except TypeError as error:  # an array of another dtype among the tensors
        raise DtypeError(
            f"{operation}: the result is {result.dtype}, of which there are no tensors that share memory with arrays. "
            "Convert the arrays that are among the tensors, for example with .astype('float32')."
        ) from error


def _shared(operation: str, name: str, value: Any, torch: Any) -> Any:
    """Return a NumPy view of a tensor's memory; all else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.requires_grad:
        raise DtypeError(
            f"{operation}: {name} is a tensor that requires grad, and the kernels have no backward pass. "
            f"Pass {name}.detach(), or use torch's own operation where you train."
        )
    if value.device.type != "cpu":
        raise DtypeError(f"{operation}: {name} lies on {value.device}; the kernels run on the CPU. Pass {name}.cpu().")
    try:
        return value.numpy()
    except (TypeError, RuntimeError) as error:
        raise DtypeError(
            f"{operation}: {name} is a {value.dtype} tensor that NumPy cannot share ({error}). "
            f"Pass {name}.{_shareable(value, torch)}."
        ) from error


def _shareable(value: Any, torch: Any) -> str:
    """Return the method that makes a tensor one that NumPy can share."""
    if value.layout != torch.strided:
        return "to_dense()"
    return "resolve_conj()" if value.is_conj() else "resolve_neg()" if value.is_neg() else "float()"
