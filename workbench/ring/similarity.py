"""How alike embeddings are: once, and as a kernel that remembers those it has seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.text import format_sizes

Array = np.ndarray[Any, np.dtype[Any]]


def similarity_matrix(rows: Any, others: Any = None, *, out: Array | None = None) -> Array:
    """Return the cosine similarity of each row with each other one, by the operation ``cosine_similarity``.

    Parameters
    ----------
    rows
        Shape (n, width), float32 or float64, or one row of shape (width,).
    others
        Shape (m, width); the rows themselves if None.
    out
        Takes the result.

    Returns
    -------
    numpy.ndarray
        Shape (n, m), from -1 to 1.

    Raises
    ------
    workbench.errors.InputError
        If they are no rows, or not of the same width.

    Examples
    --------
    >>> similarity_matrix(np.eye(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import fused_kernels as fk

    a = rows_of(rows)
    b = a if others is None else rows_of(others)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"Embeddings of {a.shape[1]} and of {b.shape[1]} numbers cannot be compared; they are of different models."
        )
    result: Array = fk.cosine_similarity(a, b, out=out)
    return result


class RowsKept:
    """The state of the kernel ``similarity_matrix``: all rows that came so far.

    A payload is an array of rows, or one row; the answer has a line for each of them and a column for each row that
    came up to now, these included. ``"clear"`` forgets them and gives how many there were.
    """

    def __init__(self) -> None:
        self._rows: Array | None = None
        self._count = 0

    def answer(self, payload: Any) -> Any:
        """Add rows, and return how alike they are to all."""
        if isinstance(payload, str):
            if payload != "clear":
                raise InputError(f"similarity_matrix takes embeddings or 'clear', got {payload!r}.")
            count, self._rows, self._count = self._count, None, 0
            return count
        rows = rows_of(payload)
        kept = self._kept(rows)
        return similarity_matrix(kept[len(kept) - len(rows) :], kept)

    def _kept(self, rows: Array) -> Array:
        """Append rows, in memory that doubles, and return all."""
        if self._rows is None or (not self._count and self._rows.dtype != rows.dtype):
            self._rows = np.empty((max(len(rows), 64), rows.shape[1]), rows.dtype)
        if rows.shape[1] != self._rows.shape[1]:
            raise InputError(
                f"This kernel has rows of {self._rows.shape[1]} numbers and got {rows.shape[1]}. Send 'clear' first."
            )
        if self._count and rows.dtype.itemsize > self._rows.dtype.itemsize:
            raise InputError(
                "This kernel has rows of float32 and got float64, which would lose digits. Convert them, or send "
                "'clear' first."
            )
        end = self._count + len(rows)
        if end > len(self._rows):
            larger = np.empty((max(end, 2 * len(self._rows)), self._rows.shape[1]), self._rows.dtype)
            larger[: self._count] = self._rows[: self._count]
            self._rows = larger
        self._rows[self._count : end] = rows
        self._count = end
        return self._rows[:end]


def rows_of(values: Any) -> Array:
    """Return embeddings as rows of float32 or float64."""
    if isinstance(values, np.ma.MaskedArray):
        raise InputError("Embeddings are a masked array, whose mask would be lost. Give rows.filled(value).")
    if getattr(values, "requires_grad", False):
        values = values.detach()
    try:
        rows = np.atleast_2d(np.asarray(values))
    except ValueError as error:
        raise InputError(f"Embeddings are rows of numbers, all of one width: {error}.") from None
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.shape[1]:
        raise InputError(
            f"Embeddings are rows of numbers, such as 5 x 384; got {format_sizes(rows.shape)} of {rows.dtype}. "
            'wb.pipeline("feature-extraction", model)(texts) makes them.'
        )
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float32)
