"""Arrays of a GPU as the checks see them: fetched when their values are needed, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fused_kernels.cuda import arrays

BRAIN = "bfloat16"
"""NumPy has no such numbers: on the CPU they are float32 with the same values."""


class Far:
    """An array of CuPy, torch or another library of :data:`fused_kernels.cuda.arrays.libraries`.

    Attributes
    ----------
    array
        As the library has it.
    name
        Its dtype, by its standard name.
    shape, size, ndim, dtype, nbytes
        As those of the array that :meth:`fetch` returns.
    """

    def __init__(self, array: Any, library: arrays.Library) -> None:
        self.array, self._library = array, library
        self.name = str(array.dtype).removeprefix("torch.")
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape, dtype=np.int64))
        self.dtype = carrier(self.name)
        self.nbytes = self.size * self.dtype.itemsize

    def fetch(self) -> np.ndarray[Any, Any]:
        """Return the values; those of bfloat16 as float32."""
        return _fetched(self.array)

    def parts(self, slices: Sequence[slice]) -> np.ndarray[Any, Any]:
        """Return some of the values, flat; all of them for no slices."""
        if not slices:
            return self.fetch().reshape(-1)
        flat = self.array.reshape(-1)
        return np.concatenate([_fetched(flat[each]) for each in slices])

    def fill(self, slices: Sequence[slice], value: float) -> None:
        """Write a number to some places of a C-contiguous array, or to all."""
        flat = self.array.reshape(-1)
        for each in slices or (slice(None),):
            self._library.fill(flat[each], value)

    def overlaps(self, other: Far) -> bool:
        """Tell whether two arrays share memory, which may also be of two libraries."""
        (low, high), (start, end) = self._span(), other._span()
        return low < end and start < high

    def _span(self) -> tuple[int, int]:
        array = self.array.detach() if hasattr(self.array, "detach") else self.array
        return self._library.view("race", "an array", array).span()


def far(value: Any) -> Far | None:
    """Return an array of a GPU as the checks see it; None for anything else."""
    if isinstance(value, Far):
        return value
    library = arrays.of((value,))
    return None if library is None else Far(value, library)


def near(value: Any) -> Any:
    """Return the values of an array of a GPU, and anything else as it is."""
    return value.fetch() if isinstance(value, Far) else value


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with its arrays changed, in mappings, lists and tuples too; ``change`` gets all that is in it."""
    if isinstance(value, Mapping):
        return {name: mapped(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [mapped(item, change) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return change(value)


def carrier(name: str) -> np.dtype[Any]:
    """Return NumPy's dtype of a name, or the one that holds its values: float32 for bfloat16 and what is narrower."""
    try:
        dtype: np.dtype[Any] = np.dtype(name)
    except TypeError:
        return np.dtype(np.float32)
    return dtype if dtype.kind in "biufc" else np.dtype(np.float32)  # another library may have taught NumPy the name


def _fetched(array: Any) -> np.ndarray[Any, Any]:
    dtype = carrier(str(array.dtype).removeprefix("torch."))
    if hasattr(array, "detach"):  # torch
        array = array.detach().resolve_conj().resolve_neg()
        array = array.float() if dtype.name != str(array.dtype).removeprefix("torch.") else array
        return np.asarray(array.cpu().numpy())
    return np.asarray(array.get()).astype(dtype, copy=False)
