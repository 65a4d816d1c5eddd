"""Numba: the operation's own fused kernel."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, of_function


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; Numba's own import is no part of the first call, as torch's is none of torch's."""
    import_module("numba")
    return of_function(op.function, inputs, out)
