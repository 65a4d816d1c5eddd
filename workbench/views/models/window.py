"""A rectangle cut out of a tensor of any rank, small enough to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.models.model import Tensor

ROWS, COLUMNS = 24, 64


@dataclass(frozen=True)
class Place:
    """Where a window lies: which matrix of the tensor, its first row and its first column."""

    leading: tuple[int, ...]
    row: int
    column: int

    @classmethod
    def within(cls, shape: tuple[int, ...], matrix: int = 0, row: int = 0, column: int = 0) -> Place:
        """Return a place in a tensor of this shape; one beyond the end is moved back, so that the window is full.

        Parameters
        ----------
        shape
            Of any rank; a vector is one row, a scalar one cell.
        matrix
            Which matrix of a tensor with more than two axes, counted in C order.
        row, column
            Where the window begins.
        """
        height, width = (1, 1, *shape)[-2:]
        matrix = max(min(matrix, matrices(shape) - 1), 0)
        many = len(shape) > 2 and matrices(shape) > 0
        leading = tuple(int(index) for index in np.unravel_index(matrix, shape[:-2])) if many else ()
        return cls(leading, max(min(row, height - ROWS), 0), max(min(column, width - COLUMNS), 0))

    def cut(self, tensor: Tensor) -> Window:
        """Cut the window out of a tensor; of complex numbers the magnitudes.

        Raises
        ------
        workbench.errors.InputError
            If the tensor holds no numbers.
        """
        if tensor.dtype == "string":
            raise InputError(f"{tensor.name} holds text, which has no heat map. See it with .numpy().")
        if not tensor.size:
            return Window(self, tensor.shape, np.empty((0, 0)))
        part = tensor.slice2d(self.row, self.column, height=ROWS, width=COLUMNS, leading=self.leading)
        values = np.abs(part) if part.dtype.kind == "c" else part
        return Window(self, tensor.shape, values.astype(np.float64))

    def code(self, tensor: str) -> str:
        """Return the code that cuts this window out of the tensor of that name."""
        leading = f", leading={self.leading}" if self.leading else ""
        return f"{tensor}.slice2d({self.row}, {self.column}, height={ROWS}, width={COLUMNS}{leading})"


@dataclass(frozen=True, eq=False)
class Window:
    """Part of one matrix of a tensor.

    Parameters
    ----------
    place
        Where it lies.
    shape
        Of the whole tensor.
    values
        Shape (rows, columns), float64; NaN and infinities as they are.
    """

    place: Place
    shape: tuple[int, ...]
    values: np.ndarray[Any, np.dtype[np.float64]]

    @property
    def caption(self) -> str:
        """Which part it is, in words."""
        rows, columns = self.values.shape
        if not self.values.size:
            return ""
        places = [f"columns {_span(self.place.column, columns)}" if columns > 1 else f"column {self.place.column}"]
        if len(self.shape) > 1:
            places.insert(0, f"rows {_span(self.place.row, rows)}" if rows > 1 else f"row {self.place.row}")
        if self.place.leading:
            places.insert(0, f"matrix [{', '.join(map(str, self.place.leading))}]")
        return ", ".join(places)


def matrices(shape: tuple[int, ...]) -> int:
    """Return how many matrices a tensor of this shape holds: the product of all axes but the last two."""
    return math.prod(shape[:-2])


def _span(start: int, count: int) -> str:
    return f"{start}\N{EN DASH}{start + count - 1}"
