"""CuPy: the NumPy way of writing the operation, on CuPy's arrays, one kernel for each step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, on_memory


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; it makes a new result at each call, as NumPy does."""
    return on_memory(partial(bind, op.reference), inputs, None)


def bind(function: Callable[..., Any], inputs: Inputs, out: Any) -> Entry:
    """Return the entry that calls a function with CuPy's arrays on the memory of the race's."""
    call: Callable[..., Any] = partial(function, **{name: array(value) for name, value in inputs.items()})
    if out is None:
        return Entry(call, inputs)
    written = tuple(map(array, out)) if isinstance(out, tuple) else array(out)
    return Entry(partial(call, out=written), inputs, out)


def array(value: Any) -> Any:
    """Return CuPy's array on the memory of a tensor; what is one, or no array, as it is."""
    import cupy

    return cupy.from_dlpack(value) if hasattr(value, "__dlpack__") and not isinstance(value, cupy.ndarray) else value
