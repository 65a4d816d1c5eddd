"""The user's own functions, called with the inputs as they gave them: by position or by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fused_kernels.catalog import Inputs, Op

from . import Contender
from .entry import Entry, on_memory, takes_out


def contender(name: str, function: Callable[..., Any]) -> Contender:
    """Return a contender that calls ``function``; inputs named ``0``, ``1``, ... go by position."""

    def prepare(op: Op | None, inputs: Inputs, out: Any) -> Entry:
        return on_memory(partial(_entry, function, takes_out(function)), inputs, out)

    return Contender(name, "", prepare)


def bound(function: Callable[..., Any], inputs: Inputs) -> Callable[[], Any]:
    """Return ``function`` with its arguments bound."""
    by_position = [value for name, value in inputs.items() if name.isdecimal()]
    by_name = {name: value for name, value in inputs.items() if not name.isdecimal()}
    return partial(function, *by_position, **by_name)


def _entry(function: Callable[..., Any], writes: bool, inputs: Inputs, out: Any) -> Entry:
    call: Callable[..., Any] = bound(function, inputs)
    if out is None or not writes:
        return Entry(call, inputs, elastic=True)
    return Entry(partial(call, out=out), inputs, out, elastic=True)
