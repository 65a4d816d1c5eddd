"""``log(sum(exp(x)))`` of a row, without overflow and without writing the exponentials."""

from __future__ import annotations

import math
from typing import Any

from .compensated import added
from .compile import inline, inline_reduction
from .intrinsics import larger
from .loops.rows import BLOCK
from .vector_math import exp_nonpositive
from .views import part_of


@inline
def log_sum_exp(x: Any) -> Any:
    """Return the largest element and the logarithm of ``sum(exp(x - largest))``, whose sum is what is asked for.

    Apart, since the sum of the two has fewer digits where the largest is large. With a NaN or +inf in the row, or
    where all are -inf, the second is NaN.
    """
    top = largest(x)
    if x.size <= BLOCK:
        return top, x.dtype.type(math.log(_sum_of_exponentials(x, top)))
    total, lost = 0.0, 0.0
    for first in range(0, x.size, BLOCK):
        total, lost = added(total, lost, _sum_of_exponentials(part_of(x, first, min(BLOCK, x.size - first)), top))
    return top, x.dtype.type(math.log(total))


@inline_reduction
def largest(x: Any) -> Any:
    """Return the largest element of a row; with a NaN in it any."""
    top = x[0]
    for j in range(x.size):
        top = larger(top, x[j])
    return top


@inline_reduction
def raise_each(top: Any, row: Any) -> None:
    """Raise each element of ``top`` to that of ``row``, if that is larger."""
    for j in range(row.size):
        top[j] = larger(top[j], row[j])


@inline_reduction
def _sum_of_exponentials(x: Any, top: Any) -> Any:
    total = x.dtype.type(0)
    for j in range(x.size):
        total += exp_nonpositive(x[j] - top)
    return total
