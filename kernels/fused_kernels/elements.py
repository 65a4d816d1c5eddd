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
from .dispatch import FLOAT32, FLOAT64, FLOATS, Array, explain_received, overlap, ready, result
from .errors import DtypeError, ShapeError
from .memory import ALIGNED_FROM

if TYPE_CHECKING:
    from .cpu.loops.elements import Elements

Function = Callable[..., Any]


def public(function: Function, name: str, *, parallel_from: int, key: str | None) -> Function:
    """Return the function on arrays and numbers that ``function`` of numbers describes, with ``out=``.

    Parameters
    ----------
    function
        Of one or more numbers; those with a default may be left out.
    name, parallel_from, key
        As for `cpu.loops.elements.element_forms`.
    """
    signature = inspect.signature(function)
    arity = len(signature.parameters)

    @functools.cache
    def forms() -> Elements:
        from .cpu.formula import compile_formula
        from .cpu.loops.elements import element_forms

        return element_forms(name, compile_formula(function), arity, parallel_from=parallel_from, key=key)

    def call(args: tuple[Any, ...], out: Any) -> Any:
        model, in_place = None, False
        for value in args:
            if type(value) is float:
                continue
            if not ready(value, out) or (
                model is not None and (value.shape != model.shape or value.dtype != model.dtype)
            ):
                return _strided(operation, args, out)
            model = value
            in_place = in_place or value is out
        if model is None:
            return _strided(operation, args, out)
        target = result(name, out, model.shape, model.dtype)
        forms().same_size.run(model.nbytes, in_place, target, *args)
        return target if model.shape or out is not None else target[()]

    def first(*args: Any) -> None:
        names["_fk_serial"] = forms().same_size.serial
        names["_fk_serial"](*args)

    names: dict[str, Any] = {
        "_fk_type": type,
        "_fk_float": float,
        "_fk_array": np.ndarray,
        "_fk_empty": np.empty,
        "_fk_float32": FLOAT32,
        "_fk_float64": FLOAT64,
        "_fk_overlap": overlap,
        "_fk_trace": trace,
        "_fk_small": min(parallel_from, ALIGNED_FROM),
        "_fk_call": call,
        "_fk_serial": first,
    }
    operation: Any = _written(name, signature, names)
    # Where it is found by its name, as pickle has to.
    is_built_in = function.__module__.startswith(f"{__package__}.")
    operation.__module__ = __package__ if is_built_in else function.__module__
    operation.formula, operation.forms, operation.parameters = function, forms, tuple(signature.parameters)
    taking: Function = operation
    return taking


RESERVED = "_fk_"
"""How all names in the source begin that are not those of arguments, which may be called whatever they like."""
_SOURCE = """
def _fk_operation({given}, *, out=None):
    if _fk_type({model}) is _fk_array and {model}.flags.carray and (
        8 < {model}.nbytes < _fk_small and not _fk_trace.listeners
    ):
        _fk_kind = {model}.dtype
        if (_fk_kind is _fk_float32 or _fk_kind is _fk_float64){others}:
            if out is None:
                out = _fk_empty({model}.shape, _fk_kind)
                _fk_serial(out, {passed})
                return out
            if (
                _fk_type(out) is _fk_array and out.dtype is _fk_kind and out.shape == {model}.shape
                and out.flags.carray{apart}
            ):
                _fk_serial(out, {passed})
                return out
    return _fk_call(({passed},), out)
"""
_OTHER = (
    " and (_fk_type({key}) is _fk_float or _fk_type({key}) is _fk_array and {key}.dtype is _fk_kind"
    " and {key}.shape == {model}.shape and {key}.flags.carray)"
)
_APART = (
    " and (_fk_type({key}) is _fk_float or {key} is not out and out.base is {key}.base is None"
    " or not _fk_overlap({key}, out))"
)


def _written(name: str, signature: inspect.Signature, names: dict[str, Any]) -> Function:
    """Return the public function: written out for its arguments, since loops over them would cost more than the kernel.

    Small plain arrays of one shape, with a result of their own memory, go straight to the serial kernel.
    """
    keys = list(signature.parameters)
    source = _SOURCE.format(
        model=keys[0],
        passed=", ".join(keys),
        given=", ".join(keys),
        others="".join(_OTHER.format(key=key, model=keys[0]) for key in keys[1:]),
        apart="".join(_APART.format(key=key) for key in keys),
    )
    exec(source, names)
    written: Any = names["_fk_operation"]
    defaults = (parameter.default for parameter in signature.parameters.values())
    written.__defaults__ = tuple(float(default) for default in defaults if default is not inspect.Parameter.empty)
    written.__name__ = written.__qualname__ = name
    written.__code__ = written.__code__.replace(co_name=name, co_qualname=name)
    operation: Function = written
    return operation


def _strided(operation: Any, args: tuple[Any, ...], out: Any) -> Any:
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
        found = operation.forms().run_strided(operands, target, shape, dtype)
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
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    try:
        common = np.result_type(*(arrays or values))
        if common.kind in "biu":
            # Python's floats adapt to any dtype of floats, also to bfloat16, for which NumPy's promotion has float64.
            common = np.result_type(common, *values)
    except TypeError as error:
        kinds = ", ".join(str(value.dtype) for value in arrays)
        raise DtypeError(f"{operation}: {kinds} have no common dtype. Convert one to the other.") from error
    return FLOAT64 if common.kind in "biu" else common.newbyteorder("=")


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
    """Return an input that `cpu.loops.strided` takes: the same memory where that can be."""
    kind = array.dtype
    if kind.kind not in "biu" and kind not in FLOATS:
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
