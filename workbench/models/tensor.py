"""One tensor of a model, whose values are read from the file when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import element_count
from workbench.errors import LoadError
from workbench.text import format_bytes, format_sizes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .stats import Scan, TensorStats

_MOST_AXES = 64  # NumPy's own limit
ORIGINS = ("stored", "constant", "filled")


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a model; its values are read from the file when asked for.

    Parameters
    ----------
    name, dtype, shape
        As stored; ``dtype`` by its standard name.
    nbytes
        Bytes in the file.
    read
        Reads the values as a NumPy array.
    read_flat
        Reads the elements ``start`` to ``stop`` of the flattened tensor and no others; None where the file
        can only be read whole.
    origin
        ``"stored"``; or, in a graph, ``"constant"`` for the value of a node and ``"filled"`` for one value that a
        node repeats over a shape, of which ``nbytes`` are needed only when the model runs.
    place
        The file, and the byte in it from which on the values lie as they are in memory, row by row and not packed;
        None where no file has them so. What else can map files, such as ONNX Runtime, needs no copy then.
    scan
        Opens the tensor for a thread that reads all of it, in the order of the file, as for
        :func:`workbench.models.stats.scanned_stats`; None where ``read_flat`` or ``read`` do as well.
    scan_in_order
        Whether it can only be read so from the first element to the last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], np.ndarray[Any, Any]]
    read_flat: Callable[[int, int], np.ndarray[Any, Any]] | None = None
    origin: str = "stored"
    place: tuple[Path, int] | None = None
    scan: Callable[[], AbstractContextManager[Scan]] | None = None
    scan_in_order: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return element_count(self.shape)

    def numpy(self, *, copy: bool = False) -> np.ndarray[Any, Any]:
        """Return the values, shape ``self.shape``, in the NumPy (or ml_dtypes) dtype of ``self.dtype``.

        Parameters
        ----------
        copy
            Whether the array must have memory of its own, which may be written to. Else a large one is a read-only view
            of the file, by memory map: it is there at once and takes no memory, but should another process cut the file
            short meanwhile, the operating system ends this one (SIGBUS) when it touches what is gone. A file that is
            replaced, as by a download that is renamed into place, does no harm.

        Raises
        ------
        workbench.errors.LoadError
            If the file is not what it was when the model was loaded, or if there is not enough memory.
        """
        try:
            if copy and self.read_flat:
                return np.require(self.read_flat(0, self.size).reshape(self.shape), requirements="W")
            return np.array(self.read()) if copy else self.read()
        except MemoryError as error:
            raise LoadError(
                f"{self!r} needs more memory than there is. See a part of it: tensor.slice2d(row, column)."
            ) from error

    def slice2d(
        self, row: int = 0, column: int = 0, *, height: int = 64, width: int = 64, leading: tuple[int, ...] = ()
    ) -> np.ndarray[Any, Any]:
        """Return a window over the last two axes, reading no more of the file than it shows where that is possible.

        Parameters
        ----------
        row, column
            Where the window begins, on the last but one and on the last axis.
        height, width
            Its greatest size; it ends where the tensor ends.
        leading
            An index for each axis before the last two; zeros if left out.

        Returns
        -------
        numpy.ndarray
            Always 2-D: a vector is one row, a scalar one row and one column.

        Raises
        ------
        workbench.errors.InputError
            If an offset or an index lies outside the tensor.
        """
        from .window import slice2d

        return slice2d(self, row, column, height=height, width=width, leading=leading)

    def stats(self) -> TensorStats:
        """Return minimum, maximum, mean, spread, counts of special values and a histogram; computed once."""
        return self._stats

    @cached_property
    def _stats(self) -> TensorStats:
        from .stats import check_numbers, repeated, scanned_stats, tensor_stats

        check_numbers(self.dtype)  # before they are read
        if self.origin == "filled" and self.read_flat and self.size:
            return repeated(tensor_stats(self.read_flat(0, 1)), self.size)
        if self.scan is None:
            return tensor_stats(self.numpy())
        return scanned_stats(self.scan, self.size, self.dtype, in_order=self.scan_in_order)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}, {format_sizes(self.shape)}, {format_bytes(self.nbytes)}"

    def _repr_html_(self) -> str:
        from workbench.views.models import cards

        return cards.tensor_card(self)


def is_possible(shape: tuple[int, ...], itemsize: int) -> bool:
    """Return whether NumPy can have an array of that shape, be it empty: few axes, and bytes that can be counted.

    >>> is_possible((0, 2**40), 4), is_possible((0, 2**62), 4)
    (True, False)
    """
    return len(shape) <= _MOST_AXES and math.prod(size for size in shape if size) * itemsize < 1 << 63
