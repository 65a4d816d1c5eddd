"""A bounded 2-D window of a tensor, for a heat map, that reads only what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import numpy_dtype
from workbench.errors import InputError

if TYPE_CHECKING:
    from .model import Tensor


def slice2d(
    tensor: Tensor, row: int, column: int, *, height: int, width: int, leading: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """Return a window over the last two axes of a tensor; see :meth:`workbench.models.model.Tensor.slice2d`."""
    *outer, rows, columns = (1, 1, *tensor.shape)[-max(len(tensor.shape), 2) :]
    if not isinstance(leading, Sequence):
        raise InputError(f"leading={leading!r} is no tuple; give an index for each axis before the last two.")
    leading = tuple(leading) or (0,) * len(outer)
    if len(leading) != len(outer):
        raise InputError(
            f"{tensor!r} has {len(outer)} axes before its last two and leading={leading} has {len(leading)} indices; "
            f"give one index per axis, for example leading={(0,) * len(outer)}."
        )
    wholes = {"row": row, "column": column, "height": height, "width": width}
    for what, index in (*wholes.items(), *((f"leading[{axis}]", index) for axis, index in enumerate(leading))):
        if not hasattr(index, "__index__"):
            raise InputError(f"{what}={index!r} is no whole number.")
    if height < 1 or width < 1:
        raise InputError(f"A window of {height} x {width} shows nothing; height and width are at least 1.")
    for what, index, size in [
        ("row", row, rows),
        ("column", column, columns),
        *((f"leading[{axis}]", *pair) for axis, pair in enumerate(zip(leading, outer, strict=True))),
    ]:
        if not (0 <= index < size or index == size == 0):
            raise InputError(f"{what}={index} lies outside {tensor!r}; it goes from 0 to {max(size - 1, 0)}.")
    height, width = min(height, rows - row), min(width, columns - column)
    if 0 in (height, width, *outer):
        return np.empty((0 if not rows else height, 0 if not columns else width), numpy_dtype(tensor.dtype))

    block = 0
    for index, size in zip(leading, outer, strict=True):
        block = block * size + index
    start = (block * rows + row) * columns + column
    if tensor.read_flat is None:
        return tensor.numpy().reshape(-1, rows, columns)[block, row : row + height, column : column + width]
    if width == columns:
        return tensor.read_flat(start, start + height * width).reshape(height, width)
    return np.stack([tensor.read_flat(at, at + width) for at in range(start, start + height * columns, columns)])
