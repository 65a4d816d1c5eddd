"""The public function of a formula: which of its arguments are arrays, and in which form the loop over them runs."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import trace
from .conversion import as_array, check_out, computed_in, from_torch, to_torch, writeable_alias
from .dispatch import Array, explain_received, overlap, ready, result
from .errors import DtypeError, ShapeError
from .memory import ALIGNED_FROM

if TYPE_CHECKING:
    from .cpu.elements import Elements

Function = Callable[..., Any]

_FLOAT64: np.dtype[Any] = np.dtype(np.float64)


def public(function: Function, name: str, *, parallel_from: int, key: str | None) -> Function:
    """Return the function on arrays and numbers that ``function`` of numbers describes, with ``out=``.

    Parameters
    ----------
    function
        Of one or more numbers; those with a default may be left out.
    name, parallel_from, key
        As for `cpu.elements.element_forms`.
    """
    signature = inspect.signature(function)
    arity = len(signature.parameters)

    @functools.cache
    def forms() -> Elements:
        from .cpu.elements import element_forms
        from .cpu.formula import compile_formula

        return element_forms(name, compile_formula(function), arity, parallel_from=parallel_from, key=key)

    def call(args: tuple[Any, ...], out: Any) -> Any:
        model, in_place = None, False
        for value in args:
            if type(value) is float:
                continue
            if not ready(value, out) or (
                model is not None and (value.shape != model.shape or value.dtype != model.dtype)
            ):
                return _anyhow(operation, args, out)
            model = value
            in_place = in_place or value is out
        if model is None:
            return _anyhow(operation, args, out)
        target = result(name, out, model.shape, model.dtype)
        forms().same_size.run(model.nbytes, in_place, target, *args)
        return target if model.shape or out is not None else target[()]

    names: dict[str, Any] = {
        "_ndarray": np.ndarray,
        "_empty": np.empty,
        "_float32": np.dtype(np.float32),
        "_float64": _FLOAT64,
        "_overlap": overlap,
        "_trace": trace,
        "_small": min(parallel_from, ALIGNED_FROM),
        "_call": call,
    }

    def first(*args: Any) -> None:
        names["_direct"] = forms().same_size.direct
        names["_direct"](*args)

    operation: Any = _written(name, signature, {**names, "_direct": first})
    names = operation.__globals__
    operation.__module__ = function.__module__
    operation.formula, operation.forms, operation.parameters = function, forms, tuple(signature.parameters)
    taking: Function = operation
    return taking


_SOURCE = """
def {name}({given}, *, out=None):
    if type({model}) is _ndarray and {model}.flags.carray and 8 < {model}.nbytes < _small and not _trace.listeners:
        kind = {model}.dtype
        if (kind is _float32 or kind is _float64){others}:
            if out is None:
                out = _empty({model}.shape, kind)
                _direct(out, {passed})
                return out
            if type(out) is _ndarray and out.dtype is kind and out.shape == {model}.shape and out.flags.carray{apart}:
                _direct(out, {passed})
                return out
    return _call(({passed},), out)
"""
_OTHER = (
    " and (type({key}) is float or type({key}) is _ndarray and {key}.dtype is kind and {key}.shape == {model}.shape"
    " and {key}.flags.carray)"
)
_APART = (
    " and (type({key}) is float or {key} is not out and out.base is {key}.base is None or not _overlap({key}, out))"
)


def _written(name: str, signature: inspect.Signature, names: dict[str, Any]) -> Function:
    """Return the public function: written out for its arguments, since loops over them would cost more than the kernel.

    Small plain arrays of one shape, with a result of their own memory, go straight to the serial kernel.
    """
    keys = list(signature.parameters)
    source = _SOURCE.format(
        name=name,
        model=keys[0],
        passed=", ".join(keys),
        given=", ".join(
            key if parameter.default is parameter.empty else f"{key}={float(parameter.default)!r}"
            for key, parameter in signature.parameters.items()
        ),
        others="".join(_OTHER.format(key=key, model=keys[0]) for key in keys[1:]),
        apart="".join(_APART.format(key=key) for key in keys),
    )
    exec(source, names)
    written: Function = names[name]
    return written


def _anyhow(operation: Any, args: tuple[Any, ...], out: Any) -> Any:
    """Compute what is not a call with plain arrays of one shape and dtype."""
    name = operation.__name__
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in (*args, out)):
        shared = [from_torch(name, key, value, torch) for key, value in zip(operation.parameters, args, strict=True)]
        found = operation(*shared, out=from_torch(name, "out", out, torch))
        return out if out is not None else to_torch(found, torch)
    if isinstance(out, tuple):
        raise DtypeError(f"{name}: out must be an array; received {explain_received(out=out)}.")
    values = [_taken(name, key, value) for key, value in zip(operation.parameters, args, strict=True)]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    common = _common(name, values)
    check_out(name, out, common)
    shape = _shape(name, operation.parameters, values)
    if out is not None:
        result(name, out, shape, common)
    dtype = computed_in(common)
    if dtype is None:
        return _by_reference(name, values, out, common, shape)
    direct = type(out) is np.ndarray and out.dtype == dtype and out.flags.aligned
    target = out if direct else None
    prepared = [
        _prepared(key, value, dtype, out) if isinstance(value, np.ndarray) else value
        for key, value in zip(operation.parameters, values, strict=True)
    ]
    if arrays and all(isinstance(value, float) or _is_plain(value, target, shape, dtype) for value in prepared):
        found = operation(*prepared, out=target)
    else:
        operands = [np.asarray(value, dtype) if isinstance(value, float) else value for value in prepared]
        found = operation.forms().run_anyhow(operands, target, shape, dtype)
    if direct or trace.is_dry():
        return out if out is not None else found
    if out is not None:
        trace.note(f"out: copied to, {out.dtype.name} of {dtype.name}")
        np.copyto(out, found, casting="same_kind")
        return out
    return (found if found.dtype == common else found.astype(common))[()]


def _taken(operation: str, name: str, value: Any) -> Any:
    """Return Python's numbers as float, which take the arrays' dtype, and all else as an array."""
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        try:
            return float(value)
        except OverflowError as error:
            raise DtypeError(f"{operation}: {name} is an integer that no float can hold.") from error
    if value is None:
        raise DtypeError(f"{operation}: {name} is None, and an array or a number is needed.")
    return as_array(operation, name, value)


def _common(operation: str, values: list[Any]) -> np.dtype[Any]:
    """Return the dtype of the result: NumPy's promotion, and float64 for integers alone."""
    try:
        common = np.result_type(*values)
    except TypeError as error:
        kinds = ", ".join(str(value.dtype) for value in values if isinstance(value, np.ndarray))
        raise DtypeError(f"{operation}: {kinds} have no common dtype. Convert one to the other.") from error
    return _FLOAT64 if common.kind in "biu" else common.newbyteorder("=")


def _shape(operation: str, parameters: tuple[str, ...], values: list[Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(np.shape(value) for value in values))
    except ValueError as error:
        received = explain_received(**dict(zip(parameters, values, strict=True)))
        raise ShapeError(
            f"{operation}: the shapes do not broadcast; received {received}. From the last axis on, lengths must be "
            "equal, or one of them 1."
        ) from error


def _prepared(name: str, array: Array, dtype: np.dtype[Any], out: Any) -> Array:
    """Return an input that `cpu.strided` takes: the same memory where that can be."""
    kind = array.dtype
    if kind.kind not in "biu" and kind not in (np.dtype(np.float32), _FLOAT64):
        trace.note(f"{name}: copied, {kind.name} computed in {dtype.name}")
        return array.astype(dtype)
    if not kind.isnative or not array.flags.aligned:
        trace.note(f"{name}: copied, {'not aligned' if kind.isnative else 'foreign byte order'}")
        return np.array(array, kind.newbyteorder("="), order="K")
    if out is not None and _clash(array, out):
        trace.note(f"{name}: copied, out overlaps it")
        return np.array(array)
    return array if type(array) is np.ndarray and array.flags.writeable else writeable_alias(array)


def _is_plain(value: Array, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return ready(value, out) and value.shape == shape and value.dtype == dtype


def _clash(array: Array, out: Array) -> bool:
    """Whether they share memory otherwise than element by element."""
    if array is out or not np.may_share_memory(array, out):
        return False
    mine, its = (item.__array_interface__ for item in (array, out))
    return (mine["data"][0], array.strides, array.shape, array.dtype) != (
        its["data"][0],
        out.strides,
        out.shape,
        out.dtype,
    )


def _by_reference(name: str, values: list[Any], out: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Compute with NumPy where there is no kernel for the dtype."""
    from .catalog import OPS

    if trace.listeners and trace.launching("numpy", "reference", f"no kernel for {dtype}"):
        return np.empty(shape, dtype) if out is None else out
    found = OPS[name].reference(*values)
    if out is None:
        return found
    np.copyto(out, found, casting="same_kind")
    return out
