"""The operation's own CUDA kernel, on the arrays of the race: torch's tensors, or CuPy's where there is no torch."""

from __future__ import annotations

from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, of_function


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; the kernel is compiled, or read from the disk, by the first call."""
    return of_function(op.function, inputs, out)
