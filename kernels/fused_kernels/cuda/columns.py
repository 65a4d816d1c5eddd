"""Which kernels of columns.cuh work along another axis than the last, and over which grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from .dtypes import itemsize
from .launch import WARP, Argument, Card, Launch, Plan, grid_of, power_of_two
from .source import Kernel
from .views import View

THREADS = 512
VECTOR = {2: 4, 4: 4, 8: 2}
"""By bytes of an element: how many neighbouring columns a thread takes. Of 16-bit ones, as many as float32 has."""
_ROWS = 16
"""Which each thread reads at least, before blocks share columns."""


class Strips(NamedTuple):
    """How columns are shared.

    Parameters
    ----------
    vector, team
        Columns of a thread, and threads side by side.
    threads, pieces
        Of a block, and of a column: each is a block's.
    jobs
        Blocks that there is work for.
    """

    vector: int
    team: int
    threads: int
    pieces: int
    jobs: int

    def described(self, grid: int) -> str:
        """Return it in words."""
        shared = f", {self.pieces} blocks for each" if self.pieces > 1 else ""
        return (
            f"{self.team * self.vector} columns side by side by {self.threads // self.team} threads each{shared}, "
            f"{grid} blocks"
        )


def strips_of(card: Card, shape: tuple[int, int, int], dtype: str, views: tuple[View, ...]) -> Strips:
    """Return how columns of contiguous arrays are shared, of the shape (outer, n, inner)."""
    outer, n, inner = shape
    vector, size = VECTOR[itemsize(dtype)], itemsize(dtype)
    if inner % vector or any(view.address % (vector * size) for view in views):
        vector = 1
    team = min(WARP, power_of_two(inner // vector))
    threads = max(WARP, min(THREADS, team * power_of_two(n)))
    jobs = outer * -(-inner // (team * vector))
    full = card.blocks(threads)
    pieces = max(1, min(full // jobs, n * team // (threads * _ROWS)))
    return Strips(vector, team, threads, pieces, jobs * pieces)


def plan_columns(call: Any, description: Any, axis: int) -> Plan:
    """Return the plan for an operation over an axis.

    Parameters
    ----------
    call
        A `call.Call` with ``x`` alone.
    description
        A `rows.Description`.
    axis
        From 0 up.
    """
    x = call.arrays["x"]
    if not x.is_contiguous:
        return Plan("", "", copies=("x",))
    outer, n, inner = shape = (math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
    strips = strips_of(call.card, shape, call.dtype, (x, *call.outs))
    eps = float(call.options.get("eps", 0.0))
    work = "work" if strips.pieces > 1 else None
    arguments: tuple[Argument, ...] = ("x", "out", work, outer, n, inner, strips.team, strips.pieces, eps)
    grid = grid_of(strips.jobs, call.card.blocks(strips.threads))
    last = Launch(_kernel(description, "columns", call.dtype, strips.vector), grid, strips.threads, arguments)
    reason = f"axis {axis}: {strips.described(grid)}"
    if strips.pieces == 1:
        return Plan("columns", reason, (last,))
    first = _kernel(description, "partial_columns", call.dtype, strips.vector)
    # At most two values of 8 bytes are known of a column.
    scratch = strips.jobs * strips.team * strips.vector * 16
    return Plan("shared columns", reason, (Launch(first, strips.jobs, strips.threads, arguments), last), scratch)


def variants(description: Any, dtype: str) -> Iterator[Kernel]:
    """Yield every kernel that `plan_columns` may have for a dtype."""
    for vector in (VECTOR[itemsize(dtype)], 1):
        for template in ("columns", "partial_columns"):
            yield _kernel(description, template, dtype, vector)


def _kernel(description: Any, template: str, dtype: str, vector: int) -> Kernel:
    kernel: Kernel = description.kernel(template, dtype, vector, threads=THREADS, arguments="ColumnArguments")
    return kernel
