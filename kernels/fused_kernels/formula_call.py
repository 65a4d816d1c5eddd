"""The public function of a formula: small plain arrays go straight to the serial loop, which is most of its speed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import trace
from .conversion import convert_formula
from .dispatch import FLOAT32, FLOAT64, overlap, ready, result
from .memory import ALIGNED_FROM

if TYPE_CHECKING:
    from .cpu.loops.elements import Elements

Function = Callable[..., Any]


def public(function: Function, name: str, *, reference: Function, parallel_from: int, key: str | None) -> Function:
    """Return the function on arrays and numbers that ``function`` of numbers describes, with ``out=``.

    Parameters
    ----------
    function
        Of one or more numbers; those with a default may be left out.
    reference
        The same on whole arrays in NumPy, for dtypes that have no kernel.
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
                return convert_formula(operation, args, out)
            model = value
            in_place = in_place or value is out
        if model is None:
            return convert_formula(operation, args, out)
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
    operation.reference = reference
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
