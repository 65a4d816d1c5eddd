"""How a loop over rows is started: from Python; or at once, if all is as it usually is.

Both write down where everything lies, a `Task`, and call the machine code of the operation, the same for both, by its
address. So they are compiled once for all operations.
"""

# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import NamedTuple

from numba import types

from fused_kernels.cpu.addresses import elements_at, on_stack, record
from fused_kernels.cpu.array_objects import (
    Matrix,
    data_of,
    float_in,
    float_size,
    given,
    is_alike,
    is_none,
    is_plain,
    is_row,
    is_same,
    is_writeable,
    matrix_of,
    new_like,
    nothing,
    rows_of,
    shared,
)
from fused_kernels.cpu.compile import entry, inline, kernel
from fused_kernels.cpu.fork_join import note_pace, run, run_holding, team


class Task(NamedTuple):
    """What one call works on: sizes, and addresses and steps in bytes.

    Parameters
    ----------
    rows, columns
        The same for all matrices.
    x, x_step, y, y_step, out, out_step, second, second_step
        The matrices, of which there may be two in and two out.
    weight, bias
        Vectors of ``columns`` elements.
    eps
        A float64.
    scratch
        A row, or two, for each share, if a result overlaps an input; else 0.
    """

    rows: int
    columns: int
    x: int
    x_step: int
    y: int
    y_step: int
    out: int
    out_step: int
    second: int
    second_step: int
    weight: int
    bias: int
    eps: int
    scratch: int


class Kit(NamedTuple):
    """What is the same in all calls of an operation.

    Parameters
    ----------
    single, double
        Addresses of its machine code ``core(task, share, shares)`` for float32 and float64; 0 if not compiled yet.
    parallel_from, board, pace
        What `fork_join.team` takes, and room for what it learns.
    vectors
        How many of weight and bias it needs.
    ones, double_ones, zeros
        Addresses of what stands for a weight or a bias that is None: as much as `attempt` takes for a row.
    """

    single: int
    double: int
    parallel_from: int
    board: int
    pace: int
    vectors: int
    ones: int
    double_ones: int
    zeros: int


load_task, _store_task = record(Task)
_load_kit, _ = record(Kit)
_PACE = Kit._fields.index("pace")
double_at = elements_at(types.float64)
ROW_BYTES = 1 << 15
"""The longest row that `attempt` takes; for `attempt_pair` half of it."""
_task_room, _scratch_room = on_stack(8 * len(Task._fields)), on_stack(ROW_BYTES)


@kernel("rows.launch")
def _launch(state, shares, core, x, y, out, second, weight, bias, eps, scratch):  # type: ignore[no-untyped-def]
    first, result = matrix_of(x), matrix_of(out)
    other = first if is_none(y) else matrix_of(y)
    total = result if is_none(second) else matrix_of(second)
    at = _task_room()
    _write(at, first, other, result, total, (data_of(weight), data_of(bias)), eps, data_of(scratch))
    run(state, shares, core, at)


# They keep Python's lock where one thread is enough: they make new arrays, and are done before another thread has it.
@kernel("rows.attempt", nogil=False)
def _attempt(kit, x, out, weight, bias, eps):  # type: ignore[no-untyped-def]
    return _attempted(kit, x, x, out, out, weight, bias, eps, False)[0]


@kernel("rows.attempt_pair", nogil=False)
def _attempt_pair(kit, x, y, out, second, weight, bias, eps):  # type: ignore[no-untyped-def]
    return _attempted(kit, x, y, out, second, weight, bias, eps, True)


@inline
def _attempted(kit, x, y, out, second, weight, bias, eps, pair):  # type: ignore[no-untyped-def]
    refused = nothing(), nothing()
    kit, pace = _load_kit(data_of(kit)), data_of(kit) + 8 * _PACE
    size = float_size(x) if is_plain(x) else 0
    core = kit.single if size == 4 else kit.double
    if size == 0 or core == 0 or float_in(eps) == 0 or not double_at(float_in(eps))[0] >= 0:
        return refused
    first = rows_of(x, size)
    row = first.columns * size
    nbytes, fresh = first.rows * row, is_none(out) or (pair and is_none(second))
    state, shares, began = team(kit.board, pace, nbytes, kit.parallel_from)
    if nbytes == 0 or row * (1 + pair) > ROW_BYTES or shares == 0 or (fresh and nbytes >= kit.parallel_from):
        return refused
    weighted, biased = kit.vectors >= 1 and not is_none(weight), kit.vectors >= 2 and not is_none(bias)
    if (weighted and not _is_vector(weight, first.columns, size)) or (
        biased and not _is_vector(bias, first.columns, size)
    ):
        return refused
    if pair and not _is_like(y, x, size):
        return refused
    other = rows_of(y, size) if pair else first
    ones = kit.ones if size == 4 else kit.double_ones
    vectors = data_of(weight) if weighted else ones, data_of(bias) if biased else kit.zeros
    if other.rows == 0 or not _is_target(out, x, y, first, other, vectors, size):
        return refused
    if pair and not (_is_target(second, x, y, first, other, vectors, size) and _are_apart(out, second, size)):
        return refused
    staged = is_same(out, x) or (pair and (is_same(out, y) or is_same(second, x) or is_same(second, y)))
    if staged and shares > 1:
        return refused
    result = new_like(x) if is_none(out) else shared(out)
    total = result if not pair else new_like(x) if is_none(second) else shared(second)
    if is_none(result) or is_none(total):
        # For want of memory. One that was made is handed over, so that it is given up.
        return result, nothing()
    at, scratch = _task_room(), _scratch_room() if staged else 0
    _write(at, first, other, rows_of(result, size), rows_of(total, size), vectors, eps, scratch)
    run_holding(state, shares, core, at)
    note_pace(state, pace, began, nbytes)
    return result, total


@inline
def _write(at, first, other, result, total, vectors, eps, scratch):  # type: ignore[no-untyped-def]
    """Write down what is to be done."""
    _store_task(
        at,
        Task(
            rows=first.rows,
            columns=first.columns,
            x=first.data,
            x_step=first.row_stride,
            y=other.data,
            y_step=other.row_stride,
            out=result.data,
            out_step=result.row_stride,
            second=total.data,
            second_step=total.row_stride,
            weight=vectors[0],
            bias=vectors[1],
            eps=float_in(eps),
            scratch=scratch,
        ),
    )


@inline
def _is_vector(array, columns, size):  # type: ignore[no-untyped-def]
    return is_plain(array) and float_size(array) == size and is_row(array, columns)


@inline
def _is_like(array, x, size):  # type: ignore[no-untyped-def]
    return is_plain(array) and float_size(array) == size and is_alike(array, x)


@inline
def _is_target(out, x, y, first, other, vectors, size):  # type: ignore[no-untyped-def]
    """Whether a result can be written to, and overlaps no input but one that it is; or is None, and will be new."""
    if is_none(out):
        return True
    if not _is_like(out, x, size) or not is_writeable(out):
        return False
    rows = rows_of(out, size)
    row = rows.columns * size
    if rows.rows == 0 or (rows.rows > 1 and rows.row_stride < row):
        return False
    vector = Matrix(vectors[0], 1, rows.columns, row, size), Matrix(vectors[1], 1, rows.columns, row, size)
    return (
        (is_same(out, x) or not _meet(rows, first, row))
        and (is_same(out, y) or not _meet(rows, other, row))
        and not (_meet(rows, vector[0], row) or _meet(rows, vector[1], row))
    )


@inline
def _are_apart(out, second, size):  # type: ignore[no-untyped-def]
    """Whether two results have no memory in common: both new, or neither."""
    if is_none(out) or is_none(second):
        return is_none(out) and is_none(second)
    one = rows_of(out, size)
    return not _meet(one, rows_of(second, size), one.columns * size)


@inline
def _meet(one, other, row):  # type: ignore[no-untyped-def]
    """Whether the bytes between the first and the last of two matrices, with rows of so many bytes, overlap."""
    down, across = (one.rows - 1) * one.row_stride, (other.rows - 1) * other.row_stride
    return (
        one.data + min(down, 0) < other.data + max(across, 0) + row
        and other.data + min(across, 0) < one.data + max(down, 0) + row
    )


launch = entry(_launch, *[types.int64] * 3, *[given] * 8)
"""``launch(state, shares, core, x, y, out, second, weight, bias, eps, scratch)``: matrices, vectors, a float, or None.

They must fit one another and the ``core``: nothing is looked at.
"""
attempt = entry(_attempt, *[given] * 6)
"""``attempt(kit, x, out, weight, bias, eps)``: a `Kit`, and any objects.

Returns the result, ``out`` or a new array, if these are plain arrays of one native float dtype that fit one another,
and ``eps`` is a float of 0 or more; a new array has few bytes, and with threads ``out`` is another array than ``x``.
Else it returns None.
"""
attempt_pair = entry(_attempt_pair, *[given] * 8)
"""``attempt_pair(kit, x, y, out, second, weight, bias, eps)`` does the same for two inputs and two results.

Returned are two results; if the second is None, nothing was done.
"""
