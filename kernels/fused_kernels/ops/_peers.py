"""What the peers of several operations share: a formula for numexpr, a function of polyglot-bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Peer = Callable[[], Callable[..., Any]]


def numexpr(formula: str, **constants: float) -> Peer:
    """Return the peer that evaluates a formula of the operation's arguments.

    Parameters
    ----------
    formula
        As numexpr reads it, without fractional numbers: these would make all of it float64.
    constants
        Numbers that the formula uses by name; they get the dtype of the arrays, as do the operation's own.
    """

    def peer() -> Callable[..., Any]:
        from numexpr import evaluate

        def call(*, out: Any = None, **inputs: Any) -> Any:
            kind = np.result_type(*(value for value in inputs.values() if isinstance(value, np.ndarray)))
            values = constants | inputs
            return evaluate(
                formula,
                {key: kind.type(value) if isinstance(value, float) else value for key, value in values.items()},
                {},
                out=out,
            )

        return call

    return peer


def polyglot(name: str, *arguments: str, flat: bool = True) -> Peer:
    """Return the peer that calls a function of polyglot-bridge, that for float32 where it has one.

    Parameters
    ----------
    name
        Of the function for float64.
    arguments
        Names of the operation's arguments, in the order in which the function takes them.
    flat
        Whether it takes arrays of one axis only; its results get the shape of the first argument.
    """

    def peer() -> Callable[..., Any]:
        import polyglot_bridge

        by_kind = {"f8": getattr(polyglot_bridge, name), "f4": getattr(polyglot_bridge, f"{name}_f32", None)}

        def call(**inputs: Any) -> Any:
            first = inputs[arguments[0]]
            function = by_kind[first.dtype.str[1:]]
            if function is None:
                raise TypeError(f"{name} of polyglot-bridge takes float64 only")
            values = [inputs[argument] for argument in arguments]
            if not flat:
                return function(*values)
            result = function(*(value.reshape(-1) if isinstance(value, np.ndarray) else value for value in values))
            return result.reshape(first.shape) if isinstance(result, np.ndarray) else result

        return call

    return peer
