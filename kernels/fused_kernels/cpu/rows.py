"""Operations that turn each row of a matrix into a row of the result: written once for a row, compiled in all forms."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .compile import Kernel, inline_reduction, kernel
from .forms import Forms

BLOCK = 4096
"""Elements of a row that are summed apart: the error of one long float32 sum grows with its length."""


def row_forms(name: str, row: Kernel, *, parallel_from: int) -> Forms:
    """Make the forms of an operation on rows.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    row
        ``row(x, out, *parameters)``: computes one row of the result; ``x`` and ``out`` are contiguous and do not
        overlap. Every pass over the row finds it in the first-level cache.
    parallel_from
        Bytes of the result from which threads pay.

    Returns
    -------
    Forms
        To be run with ``x`` and ``out``, C-contiguous of shape (rows, columns), and the parameters.
    """
    # Inlined, so that no call and no reference count is left in the loop; a call into cached code would stay one.
    one_row = inline_reduction(row)

    def direct(x: Any, out: Any, *parameters: Any) -> None:
        for i in range(x.shape[0]):
            one_row(x[i], out[i], *parameters)

    def through_scratch(x: Any, out: Any, *parameters: Any) -> None:
        scratch = np.empty(x.shape[1], out.dtype)
        for i in range(x.shape[0]):
            one_row(x[i], scratch, *parameters)
            for j in range(scratch.size):
                out[i, j] = scratch[j]

    share_direct, share_through_scratch = inline_reduction(direct), inline_reduction(through_scratch)

    def parallel(threads: int, x: Any, out: Any, *parameters: Any) -> None:
        rows = x.shape[0]
        for share in numba.prange(threads):
            first, last = share * rows // threads, (share + 1) * rows // threads
            share_direct(x[first:last], out[first:last], *parameters)

    def staged(threads: int, streaming: bool, x: Any, out: Any, *parameters: Any) -> None:
        rows = x.shape[0]
        for share in numba.prange(threads):
            first, last = share * rows // threads, (share + 1) * rows // threads
            share_through_scratch(x[first:last], out[first:last], *parameters)

    return Forms(
        kernel(f"{name}.direct")(direct),
        kernel(f"{name}.parallel", parallel=True)(parallel),
        kernel(f"{name}.staged", parallel=True)(staged),
        kernel(f"{name}.staged.serial")(staged),
        parallel_from,
        # Reading a row, then streaming it out, does not overlap the two: no gain at 4096 x 4096, a loss of 16 % at
        # 20000 x 768, measured on Zen 5.
        streams=False,
    )
