"""The public function of a formula: a signature of its own, in front of what takes small plain arrays in one step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import trace
from .conversion import convert_formula
from .dispatch import ready, result

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
        As for `cpu.loops.elements.Elements`.
    """
    signature = inspect.signature(function)
    arity = len(signature.parameters)

    @functools.cache
    def forms() -> Elements:
        from .cpu.formula import compile_formula
        from .cpu.loops.elements import Elements
        from .cpu.loops.elements_launch import attempt

        made = Elements(name, compile_formula(function), arity, parallel_from=parallel_from, key=key)
        names["_fk_kit"] = made.kit
        names["_fk_attempt"] = attempt
        return made

    def call(args: tuple[Any, ...], out: Any) -> Any:
        model, in_place, numbers = None, False, 0
        for position, value in enumerate(args):
            if type(value) is float:
                numbers |= 1 << position
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
        forms().run(args, numbers, target, in_place=in_place)
        return target if model.shape or out is not None else target[()]

    names: dict[str, Any] = {
        "_fk_trace": trace,
        "_fk_kit": None,
        "_fk_attempt": _not_yet,
        "_fk_call": call,
    }
    operation: Any = _written(name, signature, names)
    # Where it is found by its name, as pickle has to.
    is_built_in = function.__module__.startswith(f"{__package__}.")
    operation.__module__ = __package__ if is_built_in else function.__module__
    operation.formula, operation.forms, operation.parameters = function, forms, tuple(signature.parameters)
    operation.reference = reference
    taking: Function = operation
    return taking


def _not_yet(kit: Any, out: Any, args: tuple[Any, ...]) -> None:
    """Stand in for what the first call loads."""


RESERVED = "_fk_"
"""How all names in the source begin that are not those of arguments, which may be called whatever they like."""
_SOURCE = """
def _fk_operation({given}, *, out=None):
    if not _fk_trace.listeners:
        _fk_found = _fk_attempt(_fk_kit, out, ({given},))
        if _fk_found is not None:
            return _fk_found
    return _fk_call(({given},), out)
"""


def _written(name: str, signature: inspect.Signature, names: dict[str, Any]) -> Function:
    """Return the public function, written out for its arguments: binding them by their signature would take longer."""
    exec(_SOURCE.format(given=", ".join(signature.parameters)), names)
    written: Any = names["_fk_operation"]
    defaults = (parameter.default for parameter in signature.parameters.values())
    written.__defaults__ = tuple(float(default) for default in defaults if default is not inspect.Parameter.empty)
    written.__name__ = written.__qualname__ = name
    written.__code__ = written.__code__.replace(co_name=name, co_qualname=name)
    operation: Function = written
    return operation
