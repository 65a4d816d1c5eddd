"""numexpr: a formula in a string, computed in blocks on all cores."""

from __future__ import annotations

from functools import partial
from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, takes_out


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; numexpr itself compiles the string at the first call and keeps it."""
    function = op.peers["numexpr"]()
    if out is None or not takes_out(function):
        return Entry(partial(function, **inputs), inputs)
    return Entry(partial(function, **inputs, out=out), inputs, out)
