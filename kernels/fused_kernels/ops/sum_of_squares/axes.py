"""Any array and any axes as four: what a kernel needs to read strided memory where it lies."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fused_kernels.dispatch import Array, axis_of
from fused_kernels.errors import ShapeError

Four = tuple[int, int, int, int]


class Layout(NamedTuple):
    """Four axes in memory.

    Parameters
    ----------
    form
        ``"rows"``: the first two axes stay, the last two are summed over. ``"columns"``: the first and the last stay,
        the two between are summed over, and the last is contiguous.
    address, shape, strides
        Of the first element, and in bytes. They are valid as long as the array is.
    """

    form: str
    address: int
    shape: Four
    strides: Four


def axes_of(operation: str, axis: Any, x: Array) -> tuple[int, ...]:
    """Return the axes that ``axis`` names (None for all, an integer, or a tuple of them), from 0 up.

    Raises
    ------
    ShapeError
        If ``x`` has no such axis, or one is named twice.
    DtypeError
        If one is no integer.
    """
    if axis is None:
        return tuple(range(x.ndim))
    named = tuple(axis_of(operation, each, x) for each in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(named)) < len(named):
        raise ShapeError(
            f"{operation}: axis {axis} names one axis twice; received x of shape {x.shape}. Name each once."
        )
    return named


def shape_without(x: Array, axes: tuple[int, ...], *, keepdims: bool) -> tuple[int, ...]:
    """Return the shape of ``x`` after a sum over ``axes``, which stay with length 1 if ``keepdims``."""
    sizes = enumerate(x.shape)
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in sizes)
    return tuple(size for axis, size in sizes if axis not in axes)


def layout(x: Array, axes: tuple[int, ...]) -> Layout | None:
    """Return the layout of an array that is not empty, for a sum over ``axes``.

    None if it needs more than four axes, or if what is summed lies farther apart than what stays, and nothing is
    contiguous.
    """
    # In which order elements are summed over does not matter, so a reversed axis is read forwards.
    x = x[
        tuple(slice(None, None, -1) if axis in axes and x.strides[axis] < 0 else slice(None) for axis in range(x.ndim))
    ]
    pairs = [(size, stride) for size, stride in zip(x.shape, x.strides, strict=True)]
    kept = _merged([pair for axis, pair in enumerate(pairs) if axis not in axes])
    summed = _merged(sorted((pairs[axis] for axis in axes), key=lambda pair: -pair[1]))
    if len(kept) > 2 or len(summed) > 2:
        return None
    if not kept or (summed and summed[-1][1] < kept[-1][1]):
        form, four = "rows", (*_padded(kept, 2), *_padded(summed or [(1, x.itemsize)], 2))
    elif kept[-1][1] == x.itemsize:
        form, four = "columns", (*_padded(kept[:-1], 1), *_padded(summed, 2), kept[-1])
    else:
        return None
    shape, strides = zip(*four, strict=True)
    return Layout(form, x.__array_interface__["data"][0], shape, strides)


def packed(x: Array, axes: tuple[int, ...]) -> tuple[Array, Layout]:
    """Return a copy with the elements that are summed side by side, and its layout."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    copy = np.ascontiguousarray(x.transpose(*kept, *axes))
    count = math.prod(x.shape[axis] for axis in axes)
    shape, strides = (1, copy.size // count, 1, count), (0, count * x.itemsize, 0, x.itemsize)
    return copy, Layout("rows", copy.__array_interface__["data"][0], shape, strides)


def _merged(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join neighbouring axes that lie in memory as one."""
    merged: list[tuple[int, int]] = []
    for size, stride in pairs:
        if size == 1:
            continue
        if merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged


def _padded(pairs: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    return [(1, 0)] * (count - len(pairs)) + pairs
