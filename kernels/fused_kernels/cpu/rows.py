"""Operations that turn each row of a matrix into a row of the result: written once for a row, compiled in all forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compile import Kernel, inline_reduction, kernel
from .fork_join import parallel
from .forms import Forms
from .views import row_of

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
        To be run with ``x`` and ``out`` of shape (rows, columns), each row contiguous, and the parameters.
    """
    # Inlined, so that no call and no reference count is left in the loop; a call into cached code would stay one.
    one_row = inline_reduction(row)

    def direct(x: Any, out: Any, *parameters: Any) -> None:
        for i in range(x.shape[0]):
            one_row(row_of(x, i), row_of(out, i), *parameters)

    def share_of_rows(share: int, shares: int, x: Any, out: Any, *parameters: Any) -> None:
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), row_of(out, i), *parameters)

    def staged_share(share: int, shares: int, streaming: bool, x: Any, out: Any, *parameters: Any) -> None:
        scratch = np.empty(x.shape[1], out.dtype)
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), scratch, *parameters)
            _copy(scratch, row_of(out, i))

    return Forms(
        kernel(f"{name}.direct")(direct),
        parallel(f"{name}.parallel", inline_reduction(share_of_rows)),
        parallel(f"{name}.staged", inline_reduction(staged_share)),
        parallel_from,
        # Reading a row, then streaming it out, does not overlap the two: no gain at 4096 x 4096, a loss of 16 % at
        # 20000 x 768, measured on Zen 5.
        streams=False,
    )


@inline_reduction
def _copy(source: Any, target: Any) -> None:
    for j in range(source.size):
        target[j] = source[j]
