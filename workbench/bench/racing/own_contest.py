"""The contest of the user's own functions, of which one is trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs
from workbench.bench.contenders.functions import bound, contender
from workbench.bench.devices import Device
from workbench.errors import InputError, RaceError

from . import far_values, tolerances
from .check import leaves
from .contest import Contest, described, drawn, first_array
from .far import BRAIN
from .memory import own_copies, slots_of
from .questions import Question


def of_functions(
    functions: Mapping[str, Callable[..., Any]],
    *,
    inputs: Any,
    reference: str | None,
    rng: np.random.Generator | None = None,
    device: Device | None = None,
) -> Contest:
    """Return the contest of the user's functions; the first one is trusted if ``reference`` is None."""
    for name, function in functions.items():
        if not callable(function):
            raise InputError(f"{name!r} is no function but {type(function).__name__}; give {{name: function}}.")
    if not functions:
        raise InputError("There is nothing to race; give {name: function}.")
    if inputs is None:
        raise InputError("Racing functions needs inputs=: a tuple goes by position, a dict by name.")
    trusted = next(iter(functions)) if reference is None else reference
    if trusted not in functions:
        raise InputError(f"reference={trusted!r} is not among the functions: {', '.join(functions)}.")

    def made(rng: np.random.Generator) -> tuple[Inputs, Mapping[str, str]]:
        found = _named(drawn(inputs, rng) if callable(inputs) else inputs)
        return (found, {}) if device is None else far_values.of_device(found)

    given, kinds = made(rng or np.random.default_rng(0))
    named, asked = own_copies(given), functions[trusted]
    if device is not None:
        asked = far_values.through(device, asked, kinds)

    def plain(inputs: Inputs) -> Any:
        return bound(asked, own_copies(inputs))()

    begin = time.perf_counter()
    try:
        result = plain(named)
    except Exception as error:
        raise RaceError(f"The reference {trusted!r} fails on these inputs ({described(named)}): {error}") from error
    if not leaves(result) or any(leaf.dtype.kind in "OSUMm" for leaf in leaves(result)):
        raise RaceError(
            f"The reference {trusted!r} returns {type(result).__name__}, with which no result can be compared; return "
            "an array of numbers, or a tuple of them."
        )
    truth = _widened_truth(asked, named, result)
    first = Question(
        named,
        answer=plain if truth is None else partial(_widely, asked),
        allowed=lambda truth: tolerances.usual(result, truth, named, brain=bool(kinds)),
        strict=True,
        truth=result if truth is None else truth,
    )
    shape, kind = first_array(named)
    return Contest(
        name="custom",
        op=None,
        shape=shape,
        dtype=BRAIN if kinds else kind.name,
        first=first,
        truth_from=trusted if truth is None else f"{trusted} in float64",
        truth_seconds=time.perf_counter() - begin,
        plain=plain,
        sampled=False,
        fresh=(lambda rng: made(rng)[0]) if callable(inputs) else None,
        expected=None if kinds else slots_of(result),
        due=() if kinds else tolerances.due(result, named),
        field=tuple(contender(name, function) for name, function in functions.items()),
        absent={},
        watched=tuple(functions.values()),
        device=device,
        kinds=kinds,
    )


def _named(inputs: Any) -> Inputs:
    if isinstance(inputs, Mapping):
        return dict(inputs)
    return {str(i): value for i, value in enumerate(inputs if isinstance(inputs, tuple | list) else (inputs,))}


def _widened_truth(function: Callable[..., Any], inputs: Inputs, plain: Any) -> Any:
    """Return the function's result on float64 inputs, or None where it does not take those."""
    try:
        wide = _widely(function, own_copies(inputs))
    except Exception:  # whatever a user's function raises on another dtype, its own result then has to do
        return None
    return wide if [leaf.shape for leaf in leaves(wide)] == [leaf.shape for leaf in leaves(plain)] else None


def _widely(function: Callable[..., Any], inputs: Inputs) -> Any:
    return bound(function, {key: _float64(value) for key, value in inputs.items()})()


def _float64(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64)
    if hasattr(value, "is_floating_point") and value.is_floating_point():  # a torch tensor
        return value.double()
    return value
