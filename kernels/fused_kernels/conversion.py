"""Into the form that a kernel takes, and back: torch tensors, lists, integers, strides, byte orders, overlaps."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import trace
from .dispatch import Array
from .errors import DtypeError, ShapeError

_FLOAT32: np.dtype[Any] = np.dtype(np.float32)
_FLOAT64: np.dtype[Any] = np.dtype(np.float64)
_COMPUTED_IN: dict[str, np.dtype[Any]] = {
    "float16": _FLOAT32,
    "bfloat16": _FLOAT32,
    "float32": _FLOAT32,
    "float64": _FLOAT64,
}
# NumPy calls float8_e5m2 a float as well, but computes nothing worth having in it.
_FLOATS = {*_COMPUTED_IN, np.dtype(np.longdouble).name}


def convert(
    function: Callable[..., Any],
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Any,
) -> Any:
    """Call ``function`` with arrays that are ready, and hand the result back as the caller's kind of array.

    Parameters
    ----------
    function
        The public function of an operation; called with ``arrays`` and ``options`` by name.
    arrays
        As received; None stays None. Their common dtype is the result's: NumPy's promotion, integers to float64;
        float16 and bfloat16 are computed in float32 and rounded once.
    options
        Passed on.
    out
        As received: any array of the caller's library into which the result can be cast (``"same_kind"``).

    Raises
    ------
    DtypeError
        For complex, text, object and masked arrays, tensors that require grad, and arrays on another device.
    """
    name = function.__name__
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in (*arrays.values(), out)):
        shared = {key: _from_torch(name, key, value, torch) for key, value in arrays.items()}
        result = function(**shared, **options, out=_from_torch(name, "out", out, torch))
        return out if out is not None else torch.from_numpy(np.asarray(result))
    for key, value in arrays.items():
        if value is None and key in _required(function):
            raise DtypeError(f"{name}: {key} is None, and an array is needed.")
    given = {key: _as_array(name, key, value) for key, value in arrays.items()}
    common = _common_dtype(name, given)
    result_dtype = _FLOAT64 if common.kind in "biu" else common.newbyteorder("=")
    _check_out(name, out, result_dtype)
    if result_dtype.name not in _COMPUTED_IN:
        return _by_reference(function, given, options, out, result_dtype)
    dtype = _COMPUTED_IN[result_dtype.name]
    prepared = {key: _prepared(key, value, dtype, out) for key, value in given.items()}
    direct_out = out if _is_target(out, dtype) else None
    result = function(**prepared, **options, out=direct_out)
    if direct_out is not None or trace.is_dry():
        return out if out is not None else result
    if out is not None:
        _check_out_shape(name, out, result.shape)
        trace.note(f"out: copied to, {_obstacle(out, dtype)}")
        np.copyto(out, result, casting="same_kind")
        return out
    return (result if result.dtype == result_dtype else result.astype(result_dtype))[()]


def _from_torch(operation: str, name: str, value: Any, torch: Any) -> Any:
    """Return a NumPy view of a tensor's memory."""
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


@functools.cache
def _required(function: Callable[..., Any]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.default is parameter.empty)


def _common_dtype(operation: str, arrays: Mapping[str, Array | None]) -> np.dtype[Any]:
    dtypes = {key: value.dtype for key, value in arrays.items() if value is not None}
    try:
        return np.result_type(*dtypes.values())
    except TypeError as error:
        received = ", ".join(f"{key}: {dtype}" for key, dtype in dtypes.items())
        raise DtypeError(
            f"{operation}: there is no dtype that holds all of the inputs; received {received}. "
            "Convert them to one, for example with .astype('float32')."
        ) from error


def _as_array(operation: str, name: str, value: Any) -> Array | None:
    if value is None:
        return None
    if isinstance(value, np.ma.MaskedArray):
        raise DtypeError(f"{operation}: {name} is a masked array, whose mask would be lost. Pass {name}.filled(value).")
    if type(value).__module__.partition(".")[0] == "cupy":
        raise DtypeError(
            f"{operation}: {name} lies on the GPU, and this version has CPU kernels only. Pass {name}.get()."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"{operation}: {name} is a {type(value).__name__} and no array ({error}).") from error
    if array.dtype.kind not in "biu" and array.dtype.name not in _FLOATS:
        raise DtypeError(
            f"{operation}: {name} has dtype {array.dtype}; real numbers are needed. "
            f"Convert it, for example with {name}.astype('float32')."
        )
    return array


def _check_out(operation: str, out: Any, dtype: np.dtype[Any]) -> None:
    if out is None:
        return
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"{operation}: out is a {type(out).__name__}; it must be a NumPy array, as the inputs are.")
    if isinstance(out, np.ma.MaskedArray):
        raise DtypeError(f"{operation}: out is a masked array, whose mask would not follow. Pass out.data.")
    if not np.can_cast(dtype, out.dtype, casting="same_kind"):
        raise DtypeError(f"{operation}: the result is {dtype} and out is {out.dtype}. Pass an out of dtype {dtype}.")
    if not out.flags.writeable:
        raise DtypeError(f"{operation}: out is read-only. Pass a writeable array, or none.")


def _check_out_shape(operation: str, out: Array, shape: tuple[int, ...]) -> None:
    if out.shape != shape:
        raise ShapeError(f"{operation}: the result has shape {shape} and out has {out.shape}. Pass np.empty({shape}).")


def _is_target(out: Any, dtype: np.dtype[Any]) -> bool:
    return out is not None and type(out) is np.ndarray and out.dtype == dtype and bool(out.flags.carray)


def _prepared(name: str, array: Array | None, dtype: np.dtype[Any], out: Any) -> Array | None:
    if array is None:
        return None
    if out is not None and array is not out and np.may_share_memory(array, out):
        trace.note(f"{name}: copied, out overlaps it")
        return np.array(array, dtype, order="C")
    if type(array) is np.ndarray and array.dtype == dtype and array.flags.carray:
        return array
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative:
        return _writeable_alias(array)
    trace.note(f"{name}: copied, {_obstacle(array, dtype)}")
    return np.empty(array.shape, dtype) if trace.is_dry() else np.array(array, dtype, order="C")


def _obstacle(array: Array, dtype: np.dtype[Any]) -> str:
    if array.dtype.newbyteorder("=") != dtype:
        return f"{array.dtype.name} computed in {dtype.name}"
    if not array.dtype.isnative:
        return "foreign byte order"
    return "not C-contiguous" if not array.flags.c_contiguous else "not aligned"


class _Alias:
    """What NumPy needs to make an array of memory that another array owns."""

    owner: Array
    __array_interface__: dict[str, Any]


def _writeable_alias(array: Array) -> Array:
    """Return the same memory without the read-only flag or a subclass, for which Numba would compile everything again.

    Kernels never write to an input.
    """
    alias = _Alias()
    alias.owner = array
    alias.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}
    return np.asarray(alias)


def _by_reference(
    function: Callable[..., Any],
    arrays: Mapping[str, Array | None],
    options: Mapping[str, Any],
    out: Any,
    dtype: np.dtype[Any],
) -> Any:
    """Compute with NumPy where there is no kernel for the dtype."""
    from .catalog import OPS

    name = function.__name__
    # A dry run in float64 finds what is wrong with the arguments, in the operation's own words, and the result's shape.
    stand_ins = {key: None if value is None else np.empty(value.shape) for key, value in arrays.items()}
    with trace.tracing(dry=True):
        shape = function(**stand_ins, **options).shape
    if out is not None:
        _check_out_shape(name, out, shape)
    if trace.listeners and trace.launching("numpy", "reference", f"no kernel for {dtype}"):
        return out
    result = OPS[name].reference(**arrays, **options) if 0 not in shape else np.empty(shape, dtype)
    if out is None:
        return result
    np.copyto(out, result, casting="same_kind")
    return out
