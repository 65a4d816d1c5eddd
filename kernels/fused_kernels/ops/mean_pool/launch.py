"""How the loop of mean_pool is started: with threads; or at once, if it is small."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from fused_kernels.cpu.addresses import on_stack, put_at, record, word_at
from fused_kernels.cpu.array_objects import (
    axes_of,
    begins_alike,
    data_of,
    dtype_number,
    elements_of,
    float_size,
    given,
    is_contiguous,
    is_none,
    is_plain,
    is_target,
    nothing,
    shape_of,
    shared,
)
from fused_kernels.cpu.compile import entry, inline, kernel
from fused_kernels.cpu.fork_join import note_pace, run, run_holding, team
from fused_kernels.cpu.kit import PACE, load_kit
from fused_kernels.cpu.new_objects import new_array
from fused_kernels.memory import ALIGNED_FROM


class Task(NamedTuple):
    """What one call works on: sizes, and addresses of contiguous arrays.

    Parameters
    ----------
    batch, tokens, width, x, out
        Tokens, and their means.
    mask, mask_step
        A number for each token, and its bytes: 1 or 8; or 0, if all tokens count.
    """

    batch: int
    tokens: int
    width: int
    x: int
    out: int
    mask: int
    mask_step: int


load_task, _store_task = record(Task)
_INT64, _BOOL = np.dtype(np.int64).num, np.dtype(bool).num
_task_room, _shape_room = on_stack(8 * len(Task._fields)), on_stack(16)


@kernel("mean_pool.launch")
def _launch(state, shares, core, x, mask, out):  # type: ignore[no-untyped-def] # noqa: PLR0917
    at = _task_room()
    _write(at, x, mask, data_of(out))
    run(state, shares, core, at)


# It keeps Python's lock where one thread is enough: it makes the result, and is done before another thread has it.
@kernel("mean_pool.attempt", nogil=False)
def _attempt(kit, x, mask, out):  # type: ignore[no-untyped-def]
    kit, pace = load_kit(data_of(kit)), data_of(kit) + PACE
    size = float_size(x) if is_plain(x) else 0
    core = kit.single if size == 4 else kit.double
    if size == 0 or core == 0 or not is_contiguous(x) or not 2 <= axes_of(x) <= 3 or not _is_mask(mask, x):
        return nothing()
    nbytes, axes, shape = elements_of(x) * size, axes_of(x) - 1, _shape_room()
    state, shares, began = team(kit.board, pace, nbytes, kit.parallel_from)
    put_at(shape, word_at(shape_of(x)))
    put_at(shape + 8 * (axes - 1), word_at(shape_of(x) + 8 * axes))
    many = is_none(out) and nbytes // max(word_at(shape_of(x) + 8 * (axes - 1)), 1) >= ALIGNED_FROM
    if nbytes == 0 or shares == 0 or many:
        return nothing()
    if not is_none(out) and not (_is_result(out, size, axes, shape) and _is_apart(out, size, x, mask)):
        return nothing()
    result = new_array(size, axes, shape) if is_none(out) else shared(out)
    if is_none(result):
        return nothing()
    at = _task_room()
    _write(at, x, mask, data_of(result))
    run_holding(state, shares, core, at)
    note_pace(state, pace, began, nbytes)
    return result


@inline
def _write(at, x, mask, out):  # type: ignore[no-untyped-def]
    """Write down what is to be done."""
    last = shape_of(x) + 8 * (axes_of(x) - 1)
    batch = word_at(shape_of(x)) if axes_of(x) == 3 else 1
    step = 0 if is_none(mask) else _mask_step(mask)
    _store_task(at, Task(batch, word_at(last - 8), word_at(last), data_of(x), out, data_of(mask), step))


@inline
def _mask_step(mask):  # type: ignore[no-untyped-def]
    return 1 if dtype_number(mask) == _BOOL else 8


@inline
def _is_mask(mask, x):  # type: ignore[no-untyped-def]
    """Whether there is None, or a bool or int64 for each token."""
    if is_none(mask):
        return True
    if not is_plain(mask) or dtype_number(mask) not in (_BOOL, _INT64) or not is_contiguous(mask):
        return False
    axes = axes_of(x) - 1
    return axes_of(mask) == axes and begins_alike(mask, x, axes)


@inline
def _is_result(out, size, axes, shape):  # type: ignore[no-untyped-def]
    """Whether an object is a contiguous array of this shape that can be written to."""
    if not is_plain(out) or float_size(out) != size or not is_target(out) or axes_of(out) != axes:
        return False
    its, same = shape_of(out), True
    for axis in range(axes):
        same = same and word_at(its + 8 * axis) == word_at(shape + 8 * axis)
    return same


@inline
def _is_apart(out, size, x, mask):  # type: ignore[no-untyped-def]
    """Whether a result has no memory in common with the inputs."""
    first = data_of(out)
    last, end = first + elements_of(out) * size, data_of(x) + elements_of(x) * size
    if first < end and data_of(x) < last:
        return False
    return is_none(mask) or first >= data_of(mask) + elements_of(mask) * _mask_step(mask) or data_of(mask) >= last


launch = entry(_launch, *[types.int64] * 3, *[given] * 3)
"""``launch(state, shares, core, x, mask, out)``: C-contiguous arrays that fit one another, or None for the mask.

Nothing is looked at.
"""
attempt = entry(_attempt, *[given] * 4)
"""``attempt(kit, x, mask, out)``: a `Kit`, and any objects.

Returns the result, ``out`` or a new array, if these are plain C-contiguous arrays that fit one another; the
mask may be None, and a new array has few bytes. Else it returns None, and nothing was done.
"""
