"""Into the form that a kernel takes, and back: torch tensors, lists, integers, strides, byte orders, overlaps."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import trace
from .dispatch import FLOAT32, FLOAT64, Array, are_rows, explain_received, repeats
from .errors import DtypeError, ShapeError

_COMPUTED_IN: dict[str, np.dtype[Any]] = {
    "float16": FLOAT32,
    "bfloat16": FLOAT32,
    "float32": FLOAT32,
    "float64": FLOAT64,
}
# NumPy calls float8_e5m2 a float as well, but computes nothing worth having in it.
_FLOATS = {*_COMPUTED_IN, np.dtype(np.longdouble).name}


def convert(
    function: Callable[..., Any],
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Any = None,
    *,
    integers: Mapping[str, Any] | None = None,
    rows: tuple[str, ...] = (),
    results: int = 1,
) -> Any:
    """Call ``function`` with arrays that are ready, and hand the result back as the caller's kind of array.

    Parameters
    ----------
    function
        The public function of an operation; called with all arguments by name.
    arrays
        As received; None stays None. Their common dtype is the result's: NumPy's promotion, integers to float64;
        float16 and bfloat16 are computed in float32 and rounded once.
    options
        Passed on.
    out
        As received: any array of the caller's library into which the result can be cast (``"same_kind"``), or a tuple
        of them where the result is a tuple.
    integers
        Indices and masks, which have no part in the dtype of the result: they become C-contiguous int64 or bool.
    rows
        Names of the arrays for which `dispatch.are_rows` is enough; all others become C-contiguous.
    results
        How many arrays the function returns; more than one as a tuple.

    Raises
    ------
    DtypeError
        For complex, text, object and masked arrays, tensors that require grad, and arrays on another device.
    """
    name, whole = function.__name__, dict(integers or {})
    if out is not None and len(_each(out)) != results:
        kind = "an array" if results == 1 else f"a tuple of {results} arrays"
        raise DtypeError(f"{name}: out must be {kind}; received {explain_received(out=out)}.")
    torch = sys.modules.get("torch")
    if torch is not None and any(
        isinstance(value, torch.Tensor) for value in (*arrays.values(), *whole.values(), *_each(out))
    ):
        shared = {key: from_torch(name, key, value, torch) for key, value in {**arrays, **whole}.items()}
        given_out = _like(out, [from_torch(name, "out", item, torch) for item in _each(out)])
        result = function(**shared, **options, **_out(given_out))
        return out if out is not None else to_torch(result, torch)
    for key, value in (*arrays.items(), *whole.items()):
        if value is None and key in _required(function):
            raise DtypeError(f"{name}: {key} is None, and an array is needed.")
    given = {key: as_array(name, key, value) for key, value in arrays.items()}
    common = _common_dtype(name, given)
    result_dtype = FLOAT64 if common.kind in "biu" else common.newbyteorder("=")
    for item in _each(out):
        check_out(name, item, result_dtype)
    more = {**options} | {key: _integers(name, key, value, out) for key, value in whole.items()}
    if result_dtype.name not in _COMPUTED_IN:
        return _by_reference(function, given, more, out, result_dtype)
    dtype = _COMPUTED_IN[result_dtype.name]
    prepared = {key: _prepared(key, value, dtype, out, rows=key in rows) for key, value in given.items()}
    direct = out is not None and all(_is_target(item, dtype, rows="out" in rows) for item in _each(out))
    result = function(**prepared, **more, **_out(out if direct else None))
    if direct or trace.is_dry():
        return out if out is not None else result
    if out is not None:
        return _copied_to(name, out, result, f"out: copied to, {_obstacle(_each(out)[0], dtype)}")
    return _of_dtypes(result, result_dtype)


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype of the kernel for results of ``dtype``; None if there is none."""
    return _COMPUTED_IN.get(dtype.name)


def _each(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def _like(out: Any, items: list[Any]) -> Any:
    return tuple(items) if isinstance(out, tuple) else items[0]


def _out(out: Any) -> dict[str, Any]:
    return {} if out is None else {"out": out}


def to_torch(result: Any, torch: Any) -> Any:
    """Return arrays and NumPy's scalars, also in a tuple, as tensors that share their memory."""
    if isinstance(result, tuple):
        return tuple(to_torch(item, torch) for item in result)
    return torch.from_numpy(np.asarray(result)) if isinstance(result, np.ndarray | np.generic) else result


def _of_dtypes(result: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(result, tuple):
        return tuple(_of_dtypes(item, dtype) for item in result)
    if not isinstance(result, np.ndarray | np.generic):
        return result
    cast: Any = result if result.dtype == dtype else result.astype(dtype)
    return cast[()]


def _copied_to(operation: str, out: Any, result: Any, note: str) -> Any:
    for item, value in zip(_each(out), _each(result), strict=True):
        _check_out_shape(operation, item, value.shape)
    trace.note(note)
    for item, value in zip(_each(out), _each(result), strict=True):
        np.copyto(item, value, casting="same_kind")
    return out


def _integers(operation: str, name: str, value: Any, out: Any) -> Array | None:
    array = as_array(operation, name, value)
    if array is None:
        return None
    if array.dtype.kind not in "biu":
        raise DtypeError(f"{operation}: {name} must hold integers or booleans; received {array.dtype} {array.shape}.")
    dtype = np.dtype(bool if array.dtype.kind == "b" else np.int64)
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DtypeError(f"{operation}: {name} holds {array.max()}, which no signed integer of 64 bits can.")
    return _prepared(name, array, dtype, out, rows=False)


def from_torch(operation: str, name: str, value: Any, torch: Any) -> Any:
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


def as_array(operation: str, name: str, value: Any) -> Array | None:
    """Return an argument as an array of real numbers; None stays None.

    Raises
    ------
    DtypeError
        For anything else, and for what lies on another device.
    """
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


def check_out(operation: str, out: Any, dtype: np.dtype[Any]) -> None:
    """Raise DtypeError if ``out`` is given and cannot receive results of ``dtype``."""
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
    if repeats(out):
        raise DtypeError(f"{operation}: elements of out share memory, as in a broadcast array. Pass a new one.")


def _check_out_shape(operation: str, out: Array, shape: tuple[int, ...]) -> None:
    if out.shape != shape:
        raise ShapeError(f"{operation}: the result has shape {shape} and out has {out.shape}. Pass np.empty({shape}).")


def _is_target(out: Any, dtype: np.dtype[Any], *, rows: bool) -> bool:
    return type(out) is np.ndarray and out.dtype == dtype and (bool(out.flags.carray) or (rows and are_rows(out)))


def _prepared(name: str, array: Array | None, dtype: np.dtype[Any], out: Any, *, rows: bool) -> Array | None:
    if array is None:
        return None
    if any(item is not None and array is not item and np.may_share_memory(array, item) for item in _each(out)):
        trace.note(f"{name}: copied, out overlaps it")
        return np.array(array, dtype, order="C")
    if array.dtype == dtype and array.flags.aligned and array.dtype.isnative:
        plain = array if type(array) is np.ndarray and array.flags.writeable else writeable_alias(array)
        if plain.flags.c_contiguous or (rows and are_rows(plain)):
            return plain
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


def writeable_alias(array: Array) -> Array:
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
        model = function(**stand_ins, **options)
    for item, planned in zip(_each(out), _each(model), strict=True) if out is not None else ():
        _check_out_shape(name, item, planned.shape)
    if trace.listeners and trace.launching("numpy", "reference", f"no kernel for {dtype}"):
        return model if out is None else out
    empty = all(0 in getattr(item, "shape", ()) for item in _each(model))
    result = OPS[name].reference(**arrays, **options) if not empty else _of_dtypes(model, dtype)
    if out is None:
        return result
    for item, value in zip(_each(out), _each(result), strict=True):
        np.copyto(item, value, casting="same_kind")
    return out
