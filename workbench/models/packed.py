"""Elements of fewer than 8 bits: files pack them as one little-endian stream of bits, arrays have a byte for each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, numpy_dtype, stored_nbytes


def group_size(dtype: str) -> int:
    """Return the least number of elements that fills whole bytes.

    >>> group_size("int4"), group_size("float6_e2m3fn"), group_size("float32")
    (2, 4, 1)
    """
    return math.lcm(DTYPE_BITS[dtype], 8) // DTYPE_BITS[dtype] if DTYPE_BITS[dtype] < 8 else 1


def unpack(data: Any, dtype: str, count: int) -> np.ndarray[Any, Any]:
    """Read ``count`` elements from a buffer.

    Parameters
    ----------
    data
        Any buffer of ``stored_nbytes(dtype, count)`` bytes, little-endian.
    dtype
        Standard name; ``"string"`` has no packed form.
    count
        Number of elements.

    Returns
    -------
    numpy.ndarray
        Shape ``(count,)``; shares the buffer's memory where elements have 8 bits or more and are aligned.
    """
    target = numpy_dtype(dtype)
    if (bits := DTYPE_BITS[dtype]) >= 8:
        array = np.frombuffer(data, dtype=target.newbyteorder("<") if target.isbuiltin == 1 else target, count=count)
        return array if array.flags.aligned else array.copy()
    groups = -(-count // (per_group := group_size(dtype)))
    group_nbytes = per_group * bits // 8
    raw = np.zeros(groups * group_nbytes, np.uint8)
    stored = stored_nbytes(dtype, count)
    raw[:stored] = np.frombuffer(data, np.uint8, stored)
    words = np.zeros(groups, np.uint32)
    for index in range(group_nbytes):
        words |= raw[index::group_nbytes].astype(np.uint32) << np.uint32(8 * index)
    values = np.empty((groups, per_group), np.uint8)
    for index in range(per_group):
        values[:, index] = (words >> np.uint32(bits * index)) & np.uint32((1 << bits) - 1)
    return values.reshape(-1)[:count].view(target)


def pack(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Return the bytes (uint8, 1-D) that :func:`unpack` reads back; ``array`` is of ``dtype``'s NumPy dtype."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if (bits := DTYPE_BITS[dtype]) >= 8:
        return flat.view(np.uint8)
    per_group = group_size(dtype)
    values = np.zeros((-(-flat.size // per_group), per_group), np.uint32)
    values.reshape(-1)[: flat.size] = flat.view(np.uint8) & ((1 << bits) - 1)
    shifts = np.arange(per_group, dtype=np.uint32) * np.uint32(bits)
    words: np.ndarray[Any, Any] = np.bitwise_or.reduce(values << shifts, axis=1)
    raw = words[:, None] >> (np.arange(per_group * bits // 8, dtype=np.uint32) * np.uint32(8))
    packed: np.ndarray[Any, Any] = raw.astype(np.uint8).reshape(-1)[: stored_nbytes(dtype, flat.size)]
    return packed
