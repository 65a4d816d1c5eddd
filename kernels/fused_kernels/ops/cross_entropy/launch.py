"""How the loop of cross_entropy is started: with threads; or at once, if it is small."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from fused_kernels.cpu.addresses import elements_at, on_stack, record
from fused_kernels.cpu.array_objects import (
    axes_of,
    begins_alike,
    data_of,
    dtype_number,
    float_in,
    float_size,
    given,
    is_contiguous,
    is_none,
    is_plain,
    is_writeable,
    matrix_of,
    nothing,
    rows_of,
    shape_of,
    shared,
)
from fused_kernels.cpu.compensated import added
from fused_kernels.cpu.compile import entry, inline, kernel
from fused_kernels.cpu.fork_join import note_pace, run, run_holding, team
from fused_kernels.cpu.kit import PACE, load_kit
from fused_kernels.cpu.new_objects import new_array, new_number

MEAN, SUM, NONE = range(3)
"""What becomes of the losses of all rows."""


class Task(NamedTuple):
    """What one call works on: sizes, and addresses and steps in bytes.

    Parameters
    ----------
    rows, classes, x, x_step
        The logits.
    target
        An int64 for each row.
    losses
        A number for each row, which is written.
    ignored
        The target of rows that count for nothing.
    smoothing
        Address of a float64; 0 if there is none.
    """

    rows: int
    classes: int
    x: int
    x_step: int
    target: int
    losses: int
    ignored: int
    smoothing: int


load_task, _store_task = record(Task)
integers_at = elements_at(types.int64)
_singles_at, _doubles_at = elements_at(types.float32), elements_at(types.float64)
_INT64 = np.dtype(np.int64).num
_LOSSES_BYTES = 1 << 13
_task_room, _losses_room, _number_room = on_stack(8 * len(Task._fields)), on_stack(_LOSSES_BYTES), on_stack(8)


@kernel("cross_entropy.launch")
def _launch(state, shares, core, x, target, losses, ignored, smoothing):  # type: ignore[no-untyped-def]
    at = _task_room()
    _write(at, matrix_of(x), data_of(target), data_of(losses), ignored, float_in(smoothing))
    run(state, shares, core, at)


# It keeps Python's lock where one thread is enough: it makes the result, and is done before another thread has it.
@kernel("cross_entropy.attempt", nogil=False)
def _attempt(kit, x, target, out, ignored, reduction):  # type: ignore[no-untyped-def]
    kit, pace = load_kit(data_of(kit)), data_of(kit) + PACE
    size = float_size(x) if is_plain(x) else 0
    core = kit.single if size == 4 else kit.double
    if size == 0 or core == 0 or not _is_target(target, x) or not (is_none(out) or _is_number(out, size, reduction)):
        return nothing()
    rows = rows_of(x, size)
    nbytes = rows.rows * rows.columns * size
    state, shares, began = team(kit.board, pace, nbytes, kit.parallel_from)
    if nbytes == 0 or shares == 0 or rows.rows * size > _LOSSES_BYTES:
        return nothing()
    labels = integers_at(data_of(target))
    if not _are_classes(labels, rows.rows, ignored, rows.columns):
        return nothing()
    result = new_array(size, axes_of(target), shape_of(target)) if reduction == NONE else nothing()
    losses = _losses_room() if reduction != NONE else data_of(result)
    if losses == 0:
        return nothing()
    at = _task_room()
    _write(at, rows, data_of(target), losses, ignored, 0)
    run_holding(state, shares, core, at)
    note_pace(state, pace, began, nbytes)
    if reduction == NONE:
        return result
    place = _number_room() if is_none(out) else data_of(out)
    if size == 4:
        total, count = summed(_singles_at(losses), labels, rows.rows, ignored)
        _singles_at(place)[0] = total / count if reduction == MEAN else total
    else:
        total, count = summed(_doubles_at(losses), labels, rows.rows, ignored)
        _doubles_at(place)[0] = total / count if reduction == MEAN else total
    return new_number(place, x) if is_none(out) else shared(out)


@inline
def summed(losses, target, rows, ignored):  # type: ignore[no-untyped-def]
    """Return the sum of the losses, and how many of them count."""
    total, lost, count = 0.0, 0.0, 0
    for i in range(rows):
        if target[i] != ignored:
            total, lost = added(total, lost, losses[i])
            count += 1
    return total, count


@inline
def _are_classes(target, rows, ignored, classes):  # type: ignore[no-untyped-def]
    right = True
    for i in range(rows):
        right = right and (target[i] == ignored or 0 <= target[i] < classes)
    return right


@inline
def _write(at, rows, target, losses, ignored, smoothing):  # type: ignore[no-untyped-def]
    """Write down what is to be done."""
    _store_task(at, Task(rows.rows, rows.columns, rows.data, rows.row_stride, target, losses, ignored, smoothing))


@inline
def _is_target(target, x):  # type: ignore[no-untyped-def]
    """Whether there is an int64 for each row."""
    if not is_plain(target) or dtype_number(target) != _INT64 or not is_contiguous(target):
        return False
    axes = axes_of(target)
    return axes_of(x) == axes + 1 and begins_alike(target, x, axes)


@inline
def _is_number(out, size, reduction):  # type: ignore[no-untyped-def]
    """Whether the loss of all rows can be written to it."""
    fits = is_plain(out) and float_size(out) == size and axes_of(out) == 0 and is_writeable(out)
    return fits and reduction != NONE


launch = entry(_launch, *[types.int64] * 3, *[given] * 3, types.int64, given)
"""``launch(state, shares, core, x, target, losses, ignored, smoothing)``: arrays that fit one another, a float or None.

Nothing is looked at. A row whose target is no class is left out.
"""
attempt = entry(_attempt, *[given] * 4, *[types.int64] * 2)
"""``attempt(kit, logits, target, out, ignored, reduction)``: a `Kit`, any objects, and one of `MEAN`, `SUM`, `NONE`.

Returns the result, if these are plain arrays that fit one another and of few rows, whose targets are all
classes or ignored; ``out`` is None, or an array without axes. Else it returns None, and nothing was done.
"""
