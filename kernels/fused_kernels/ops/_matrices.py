"""What the operations on matrices ask of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.dispatch import FLOATS

_ndarray = np.ndarray


def ready(x: Any, other: Any, out: Any, *vectors: Any) -> bool:
    """Whether the product takes all as they are: one native float dtype, any strides, ``out`` contiguous or None.

    ``vectors`` are contiguous or None.
    """
    if type(x) is not _ndarray or type(other) is not _ndarray:
        return False
    dtype = x.dtype
    return (
        dtype in FLOATS
        and other.dtype == dtype
        and x.flags.aligned
        and other.flags.aligned
        and (out is None or (type(out) is _ndarray and out.dtype == dtype and out.flags.carray))
        and all(
            vector is None or (type(vector) is _ndarray and vector.dtype == dtype and vector.flags.aligned)
            for vector in vectors
        )
    )
