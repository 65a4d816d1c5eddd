"""Operations that turn each row of a matrix into a row of the result: written once for a row, compiled in all forms."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from fused_kernels.cpu.compile import Kernel, inline, inline_reduction, kernel
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.views import row_of

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
        To be run with ``x`` and ``out`` of shape (rows, columns), each row contiguous, and the parameters.
    """
    # Inlined, so that no call and no reference count is left in the loop; a call into cached code would stay one.
    one_row = inline_reduction(row)

    def share_of_rows(share: int, shares: int, x: Any, out: Any, *parameters: Any) -> None:
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), row_of(out, i), *parameters)

    def staged_share(share: int, shares: int, streaming: bool, x: Any, out: Any, *parameters: Any) -> None:
        scratch = np.empty(x.shape[1], out.dtype)
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), scratch, *parameters)
            _copy(scratch, row_of(out, i))

    return _forms(name, row, share_of_rows, staged_share, parallel_from)


def pair_forms(name: str, row: Kernel, *, parallel_from: int) -> Forms:
    """Make the forms of an operation that turns a row of each of two matrices into a row of each of two results.

    Parameters
    ----------
    name, parallel_from
        As in `row_forms`; the bytes are those of one result.
    row
        ``row(x, y, out, second, *parameters)``, of which the results overlap neither each other nor an input.

    Returns
    -------
    Forms
        To be run with four matrices of shape (rows, columns), each row contiguous, and the parameters.
    """
    one_row = inline_reduction(row)

    def share_of_rows(share: int, shares: int, x: Any, y: Any, out: Any, second: Any, *parameters: Any) -> None:
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), row_of(y, i), row_of(out, i), row_of(second, i), *parameters)

    def staged_share(
        share: int, shares: int, streaming: bool, x: Any, y: Any, out: Any, second: Any, *parameters: Any
    ) -> None:
        first_scratch, second_scratch = np.empty(x.shape[1], out.dtype), np.empty(x.shape[1], second.dtype)
        for i in range(share * x.shape[0] // shares, (share + 1) * x.shape[0] // shares):
            one_row(row_of(x, i), row_of(y, i), first_scratch, second_scratch, *parameters)
            _copy(first_scratch, row_of(out, i))
            _copy(second_scratch, row_of(second, i))

    return _forms(name, row, share_of_rows, staged_share, parallel_from)


def _serial(share: Kernel, arity: int) -> Kernel:
    """Return the loop of one thread; for few arguments by name, since gathering ``*arguments`` costs 60 ns a call."""
    whole = inline_reduction(share)

    def two(a: Any, b: Any) -> None:
        whole(0, 1, a, b)

    def three(a: Any, b: Any, c: Any) -> None:
        whole(0, 1, a, b, c)

    def four(a: Any, b: Any, c: Any, d: Any) -> None:
        whole(0, 1, a, b, c, d)

    def five(a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
        whole(0, 1, a, b, c, d, e)

    def several(*arguments: Any) -> None:
        whole(0, 1, *arguments)

    by_arity: dict[int, Kernel] = {2: two, 3: three, 4: four, 5: five}
    return by_arity.get(arity, several)


def _forms(name: str, row: Kernel, share: Kernel, staged_share: Kernel, parallel_from: int) -> Forms:
    return Forms(
        kernel(f"{name}.serial")(_serial(share, len(inspect.signature(row).parameters))),
        parallel(f"{name}.parallel", inline_reduction(share)),
        parallel(f"{name}.staged", inline_reduction(staged_share)),
        parallel_from,
        # A row finished in the first-level cache and then streamed out: between 12 % faster and 7 % slower at 64 MB,
        # and 15 to 20 % slower with two results, measured on Zen 5.
        streams=False,
    )


@inline
def _copy(source: Any, target: Any) -> None:
    for j in range(source.size):
        target[j] = source[j]
