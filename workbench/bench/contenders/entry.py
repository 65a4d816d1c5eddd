"""A contender at the start: what is timed, and what belongs to it outside the clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any


def _same(returned: Any) -> Any:
    return returned


@dataclass(frozen=True)
class Entry:
    """What a prepared contender brings to the race.

    Parameters
    ----------
    call
        Takes no arguments and does the work once; the only thing inside the clock.
    result
        Turns what ``call`` returned into anything that :func:`workbench.bench.check.leaves` reads: arrays of any
        library, numbers, and tuples, mappings and dataclasses of them.
    out
        The buffer that ``call`` writes into, as a NumPy array, or a tuple of them for an operation that returns a
        tuple; None if each call makes a new result.
    inputs
        The contender's own copies, which it must not change.
    around
        Makes a context that is entered around the calls, outside the clock.
    """

    call: Callable[[], Any]
    inputs: Any
    out: Any = None
    result: Callable[[Any], Any] = _same
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


def takes_out(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a parameter ``out``; one whose signature cannot be read has none."""
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "out" in parameters and parameters["out"].kind is not Parameter.POSITIONAL_ONLY
