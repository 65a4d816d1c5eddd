"""A contender at the start: what is timed, and what belongs to it outside the clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any

from fused_kernels.catalog import Inputs


def _same(returned: Any) -> Any:
    return returned


@dataclass(frozen=True)
class Entry:
    """What a prepared contender brings to the race.

    Parameters
    ----------
    call
        Takes no arguments and does the work once; the only thing inside the clock.
    inputs
        The memory that the call reads, which it must not change.
    out
        The buffer that ``call`` writes into, as a NumPy array, or a tuple of them for an operation that returns a
        tuple; None if each call makes a new result.
    result
        Turns what ``call`` returned into anything that :func:`workbench.bench.racing.check.leaves` reads: arrays of any
        library, numbers, and tuples, mappings and dataclasses of them.
    around
        Makes a context that is entered around the calls, outside the clock.
    fixed
        Names of inputs whose values were built in when the contender was prepared, such as constants of a graph; a
        race never varies them.
    binder
        What :meth:`rebind` calls.
    elastic
        Whether :meth:`rebind` also takes inputs of other shapes.
    """

    call: Callable[[], Any]
    inputs: Any
    out: Any = None
    result: Callable[[Any], Any] = _same
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    fixed: frozenset[str] = frozenset()
    binder: Callable[[Inputs, Any], Entry] | None = None
    elastic: bool = False

    def rebind(self, inputs: Inputs, out: Any) -> Entry:
        """Return the same prepared contender (session, compiled function) on other memory, or on what is now in it.

        Parameters
        ----------
        inputs, out
            Of the same names, shapes and dtypes; ``out`` is None where there was none.
        """
        assert self.binder is not None, "an entry comes from on_memory"
        return self.binder(inputs, out)

    def waiting(self, wait: Callable[[Any], Any]) -> Entry:
        """Return the entry whose calls end only when ``wait`` has been called with what they return."""

        def call() -> Any:
            returned = self.call()
            wait(returned)
            return returned

        return replace(self, call=call, binder=lambda inputs, out: self.rebind(inputs, out).waiting(wait))


def on_memory(bind: Callable[[Inputs, Any], Entry], inputs: Inputs, out: Any) -> Entry:
    """Return what ``bind(inputs, out)`` makes, as an entry that can be bound to other memory in the same way."""
    return replace(bind(inputs, out), binder=partial(on_memory, bind))


def of_function(function: Callable[..., Any], inputs: Inputs, out: Any) -> Entry:
    """Return the entry that calls ``function`` with the inputs by name, and with ``out=`` if it takes that."""
    writes = takes_out(function)

    def bind(inputs: Inputs, out: Any) -> Entry:
        call: Callable[..., Any] = partial(function, **inputs)
        if out is None or not writes:
            return Entry(call, inputs, elastic=True)
        return Entry(partial(call, out=out), inputs, out, elastic=True)

    return on_memory(bind, inputs, out)


def takes_out(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a parameter ``out``; one whose signature cannot be read has none."""
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "out" in parameters and parameters["out"].kind is not Parameter.POSITIONAL_ONLY
