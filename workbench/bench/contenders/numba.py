"""Numba: the operation's own fused kernel."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, takes_out


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; Numba's own import is no part of the first call, as torch's is none of torch's."""
    import_module("numba")
    if out is None or not takes_out(op.function):
        return Entry(partial(op.function, **inputs), inputs)
    return Entry(partial(op.function, **inputs, out=out), inputs, out)
