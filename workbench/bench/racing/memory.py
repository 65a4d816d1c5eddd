"""Copies of the inputs and buffers for the results, in memory that all contenders share.

Where an array lies changes a kernel's time by some percent: which sets of the cache it falls into, and how far it is
from the others. So a race has a few *places*, each with all inputs and a buffer for the result, and in a round all
contenders work in the same one; what a place does to the time cancels in the ratios.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PLACES = 4
"""Places of a race at the most."""
ROOM = 64 << 20
"""Bytes that the places may take together; one is always made, and one only where it takes more than half of this."""

# A cache line. Where an array happens to begin changes a kernel's time by some percent, so it is the same for all.
ALIGNMENT = 64


@dataclass(frozen=True)
class Slot:
    """The shape and dtype of an array that a result is written into."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Slots = Slot | tuple[Slot, ...] | None
"""Of a result: of an array, of a tuple of arrays, or None where there is no writing into an ``out=``."""


def slots_of(result: Any, floats: np.dtype[Any] | None = None) -> Slots:
    """Return where a result like this one could be written; a scalar or a record has no place.

    Parameters
    ----------
    result
        What was returned.
    floats
        The dtype of the slots of floating-point numbers, where the result itself was computed in a wider one.
    """
    if isinstance(result, np.ndarray) and result.ndim:
        return Slot(result.shape, floats if floats is not None and result.dtype.kind == "f" else result.dtype)
    if isinstance(result, tuple):
        slots = [slots_of(item, floats) for item in result]
        found = tuple(slot for slot in slots if isinstance(slot, Slot))
        return found if found and len(found) == len(slots) else None
    return None


def buffers(slots: Slots) -> Any:
    """Return a new array for each slot, in the same structure."""
    if isinstance(slots, tuple):
        return tuple(empty_aligned(slot.shape, slot.dtype) for slot in slots)
    return None if slots is None else empty_aligned(slots.shape, slots.dtype)


def own_copies(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies that a contender may spoil without spoiling them for the others; layouts are kept."""
    return {name: _copied(value) for name, value in inputs.items()}


def memories(value: Any) -> list[Array]:
    """Return the memory of the arrays in a value, in order, so that it can be compared and written to.

    That of NumPy's arrays and of PyTorch's tensors on the CPU, also in mappings, lists and tuples; nothing else can be
    written to in place.
    """
    if isinstance(value, np.ndarray):
        return [np.asarray(value)] if value.flags.writeable and not value.dtype.hasobject else []
    if isinstance(value, Mapping):
        return [memory for item in value.values() for memory in memories(item)]
    if isinstance(value, list | tuple):
        return [memory for item in value for memory in memories(item)]
    if hasattr(value, "detach") and hasattr(value, "clone"):
        try:
            return memories(value.detach().numpy())
        except (TypeError, RuntimeError):  # a dtype that NumPy lacks, another device, a sparse layout
            return []
    return []


def floats(inputs: Mapping[str, Any], fixed: frozenset[str] = frozenset()) -> list[Array]:
    """Return the memory of the floating-point numbers among the inputs; of complex ones the real parts."""
    found = [memory for name, value in inputs.items() if name not in fixed for memory in memories(value)]
    found = [memory.real if memory.dtype.kind == "c" else memory for memory in found]
    return [memory for memory in found if memory.dtype.kind == "f" and memory.dtype.itemsize <= 8]


def size_of(inputs: Mapping[str, Any]) -> int:
    """Return how many bytes the arrays among the inputs take."""
    return sum(memory.nbytes for memory in memories(inputs))


def empty_aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a new C-contiguous array that begins at a cache line."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return _block(size).view(dtype).reshape(shape)


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return _same_layout(value)
    if hasattr(value, "detach") and hasattr(value, "clone"):  # a torch tensor
        return value.detach().clone().requires_grad_(value.requires_grad)
    try:
        return copy.deepcopy(value)
    except Exception:  # a session or a handle that cannot be copied is shared, as in the user's own code
        return value


def _same_layout(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy an array with its strides: a transposed or sliced input must stay one, since that is what is raced."""
    if array.flags.c_contiguous:
        plain = empty_aligned(array.shape, array.dtype)
        plain[...] = array
        return plain
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = array.__array_interface__["data"][0] - low
    twin: np.ndarray[Any, Any] = np.ndarray(array.shape, array.dtype, _block(high - low), offset, array.strides)
    twin[...] = array
    return twin


def _block(size: int) -> np.ndarray[Any, Any]:
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size]
