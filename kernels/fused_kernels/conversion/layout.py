"""The memory that a kernel takes as it is, and the copy of any other, which a trace is told of."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from fused_kernels import trace
from fused_kernels.dispatch import Array, are_rows

Layout = Literal["contiguous", "rows", "any"]
"""What a kernel takes: C-contiguous arrays, those that are at least `dispatch.are_rows`, or any strides."""


def taken(name: str, array: Array | None, dtype: np.dtype[Any], outs: tuple[Any, ...], layout: Layout) -> Array | None:
    """Return an input as a kernel takes it: the same memory where that can be, else a copy.

    Parameters
    ----------
    name
        Of the argument, for the note on the copy.
    array
        None stays None.
    dtype
        In which the kernel reads it.
    outs
        The results that are given; ``array`` may be one of them but must not overlap them otherwise.
    layout
        What the kernel takes. A loop over any strides also takes what lies exactly over a result; the others know
        from the object that they work in place.
    """
    if array is None:
        return None
    reason = obstacle(array, dtype, layout)
    if reason is None and any(_clash(array, out, layout) for out in outs):
        reason = "out overlaps it"
    if reason is None:
        return _plain(array)
    trace.note(f"{name}: copied, {reason}")
    order: Literal["K", "C"] = "K" if layout == "any" else "C"
    if trace.is_dry():
        return np.empty_like(array, dtype, order)
    return np.array(array, dtype, order=order)


def apart(name: str, array: Array | None, outs: tuple[Any, ...]) -> Array | None:
    """Return an input that is one of the results as a copy, for operations that do not work in place."""
    if not any(array is out for out in outs):
        return array
    trace.note(f"{name}: copied, out overlaps it")
    return None if array is None else array.copy()


def obstacle(array: Array, dtype: np.dtype[Any], layout: Layout) -> str | None:
    """Return why a kernel cannot take an array as it is; None if it can."""
    kind = array.dtype
    if kind != dtype:
        is_swapped = kind.newbyteorder("=") == dtype
        return "foreign byte order" if is_swapped else f"{kind.name} computed in {dtype.name}"
    if layout != "any" and not array.flags.c_contiguous and not (layout == "rows" and are_rows(_plain(array))):
        return "not C-contiguous"
    return None if array.flags.aligned else "not aligned"


def _clash(array: Array, out: Array, layout: Layout) -> bool:
    """Whether they share memory in a way that a kernel for the layout does not see or cannot cope with."""
    if array is out or not np.may_share_memory(array, out):
        return False
    return layout != "any" or _place(array) != _place(out)


def _place(array: Array) -> tuple[Any, ...]:
    return array.__array_interface__["data"][0], array.strides, array.shape, array.dtype


def _plain(array: Array) -> Array:
    """Return the same memory without the read-only flag or a subclass, for which Numba would compile everything again.

    Kernels never write to an input.
    """
    if type(array) is np.ndarray and array.flags.writeable:
        return array
    alias = _Alias()
    alias.owner = array
    alias.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}
    return np.asarray(alias)


class _Alias:
    """What NumPy needs to make an array of memory that another array owns."""

    owner: Array
    __array_interface__: dict[str, Any]
