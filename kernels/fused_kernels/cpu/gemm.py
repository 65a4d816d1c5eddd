"""Matrix products in our own code: cut into blocks that fit the caches, each finished with bias and activation.

Both sides are packed piece by piece on the way, by the thread that uses the piece, so any strides will do and no
whole copy is made. Tasks are blocks of the result; each thread takes the next one until none is left, so a
thread that is held up holds up no other. The sums of one element are added in one order, whatever the threads.
"""

from __future__ import annotations

import ctypes
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fused_kernels import trace

from . import threads
from .compile import Kernel, inline, kernel
from .gemm_core import RELU, Activation, launch, machine_code, workspace_words
from .gemm_plan import plan_template
from .gemm_tile import Tile, tiles

Array = np.ndarray[Any, Any]

_SERIAL_WORK = 1 << 21
"""Multiply-adds below which starting the threads costs more than they save; 20 µs on one core with AVX-512."""
_STREAM_ROWS = 8
"""Reading a weight takes about as long as this many multiply-adds with it."""
_DIRECT_BYTES = 1 << 18
"""A right side up to this size stays in the second-level cache as it is; packing it for a few rows would not pay."""
_BLAS_COLUMNS = 16
"""Fewer columns leave too much of a tile idle."""
_BLAS_WORK = 1 << 16
_TASK_COLUMNS = 256
"""Fewer columns in a task would not pay for packing the left side once more."""
_TASKS_PER_THREAD = 4


def product(x: Array, weight: Array, bias: Array | None, out: Array, activation: Activation | None = None) -> None:
    """Set ``out`` to ``activation(x @ weight + bias)``.

    Parameters
    ----------
    x
        (m, k), nothing empty, float32 or float64, native and aligned, any strides, perhaps read-only.
    weight
        (k, n) in the same dtype, likewise.
    bias
        (n,) in the same dtype, likewise, or None.
    out
        (m, n), C-contiguous; inputs that it overlaps are copied.
    """
    m, k = x.shape
    n = weight.shape[1]
    count = 1 if (m if m > _STREAM_ROWS else _STREAM_ROWS) * k * n < _SERIAL_WORK else threads.count()
    if trace.listeners:
        blocking = blocking_for(m, k, n, x.dtype.name, count)
        if trace.launching("numba", blocking.form, blocking.reason):
            return
    plain = x.flags.carray and weight.flags.carray
    words, template = _plan(m, k, n, count, x.dtype, activation, None if plain else (*x.strides, *weight.strides))
    if bias is None:
        bias = _nothing(x.dtype)
    elif not bias.flags.carray:
        bias = bias.copy()
    if not words:
        _blas_product(x, weight, bias, out, activation)
        return
    left, right = (x, weight) if plain else (_handle(x), _handle(weight))
    try:
        workspace = _idle.pop()
    except IndexError:
        workspace = _EMPTY
    if workspace.size < words:
        workspace = np.empty(words, np.int64)
    done = launch(threads.state(count), count, template, workspace, left, right, bias, out)
    _idle.append(workspace)
    if not done:
        result = np.empty_like(out)
        product(x, weight, bias if bias.size else None, result, activation)
        np.copyto(out, result)


def _blas_product(x: Array, weight: Array, bias: Array, out: Array, activation: Activation | None) -> None:
    if np.may_share_memory(bias, out):
        bias = bias.copy()
    np.matmul(x, weight, out=out)
    if bias.size or activation:
        _finisher(activation)(out, bias, activation is RELU)


@dataclass(frozen=True)
class Blocking:
    """How one product is cut, and in which form it runs.

    Parameters
    ----------
    tile
        Of the innermost loop.
    rows, columns
        Of a task.
    threads
        That take tasks.
    form
        ``"packed"``: both sides are packed. ``"direct"``: the right side is read where it is, for little work.
        ``"flat"``: so too, in the flat tile, for a few rows. Each of them on one thread, or ``"-parallel"``.
        ``"blas"``: NumPy's product, finished by our kernel, for a vector or a few columns: BLAS reads a matrix
        once at the memory's speed, where nothing is left to gain.
    """

    tile: Tile
    rows: int
    columns: int
    threads: int
    form: str

    @property
    def reason(self) -> str:
        """What was decided, in words."""
        if self.form == "blas":
            return "a vector or a few columns: NumPy's product, then bias and activation in one pass"
        count = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"tiles of {self.tile.height}x{self.tile.width}, tasks of up to {self.rows}x{self.columns} on {count}"


@functools.lru_cache(maxsize=4096)
def blocking_for(m: int, k: int, n: int, dtype: str, count: int) -> Blocking:
    """Return how an (m, k) by (k, n) product is cut for ``count`` threads."""
    wide, flat = tiles(dtype)
    tile = flat if m <= flat.height and n >= 2 * flat.width else wide
    form = "packed"
    if tile is flat:
        form = "flat"
    elif m <= 2 * tile.height and k * n * tile.itemsize <= _DIRECT_BYTES:
        form = "direct"
    if (m == 1 or n <= _BLAS_COLUMNS) and m * k * n >= _BLAS_WORK:
        form = "blas"
    elif count > 1:
        form += "-parallel"
    row_blocks, panels = math.ceil(m / tile.rows), math.ceil(n / tile.width)
    column_blocks = 1
    if count > 1:
        column_blocks = max(1, min(n // _TASK_COLUMNS, math.ceil(_TASKS_PER_THREAD * count / row_blocks)))
        if column_blocks > count:
            column_blocks -= column_blocks % count
        if row_blocks * column_blocks < count:
            column_blocks = min(panels, math.ceil(count / row_blocks))
            row_blocks = min(math.ceil(m / tile.height), math.ceil(count / column_blocks))
    rows = math.ceil(math.ceil(m / row_blocks) / tile.height) * tile.height
    columns = math.ceil(panels / column_blocks) * tile.width
    return Blocking(tile, rows, columns, count, form)


@functools.lru_cache(maxsize=4096)
def _plan(  # noqa: PLR0917, by position for speed
    m: int,
    k: int,
    n: int,
    count: int,
    dtype: np.dtype[Any],
    activation: Activation | None,
    strides: tuple[int, int, int, int] | None,
) -> tuple[int, Array]:
    """Return the int64 that a workspace needs, 0 for BLAS, and the plan; ``strides`` is None for contiguous inputs."""
    size = dtype.itemsize
    blocking = blocking_for(m, k, n, dtype.name, count)
    if blocking.form == "blas":
        return 0, _EMPTY
    bounded = activation is RELU
    template = plan_template(
        (m, k, n),
        strides or (k * size, size, n * size, size),
        (blocking.rows, blocking.columns),
        machine_code(blocking.tile, None if bounded else activation),
        size,
        direct=not blocking.form.startswith("packed"),
        bounded=bounded,
    )
    return workspace_words(blocking.tile, count), template


@functools.cache
def _finisher(activation: Activation | None) -> Kernel:
    """Compile the pass over the result of a BLAS product."""
    formula = inline((activation or RELU).formula)

    def finish(out, bias, bounded):  # type: ignore[no-untyped-def]
        zero = out.dtype.type(0)
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                value = out[i, j] + bias[j] if bias.size else out[i, j]
                if bounded:
                    value = zero if value < zero else value
                out[i, j] = formula(value)

    return kernel(f"gemm.finish.{activation.name if activation else 'plain'}")(finish)


_EMPTY: Array = np.empty(0, np.int64)
_idle: list[Array] = []
"""Workspaces that no call uses; `list.pop` is atomic, so calls in several Python threads never share one."""


@functools.cache
def _nothing(dtype: np.dtype[Any]) -> Array:
    return np.empty(0, dtype)


def _handle(array: Array) -> Array:
    """Return a contiguous, writeable array of two axes that begins where ``array`` does.

    Numba compiles anew for each layout and for read-only arrays. The kernel needs only the address, and gets the
    strides beside it.
    """
    if array.flags.carray:
        return array
    if array.T.flags.carray:
        return array.T
    cell: Any = (ctypes.c_char * array.itemsize).from_address(array.ctypes.data)
    handle: Array = np.frombuffer(cell, array.dtype).reshape(1, 1)
    return handle
