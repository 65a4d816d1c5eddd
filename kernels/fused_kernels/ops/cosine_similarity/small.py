"""cosine_similarity of few rows: all of it in one step from Python, where each of three calls would take longer."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import numpy as np
from numba import types

from fused_kernels.cpu.addresses import elements_at, on_stack, put_at
from fused_kernels.cpu.array_objects import (
    axes_of,
    data_of,
    float_in,
    float_size,
    given,
    is_none,
    is_plain,
    is_target,
    matrix_of,
    nothing,
    shared,
)
from fused_kernels.cpu.compile import entry, inline, inline_reduction, kernel
from fused_kernels.cpu.new_objects import new_array

_MOST_ROWS = 64
_MOST_PRODUCTS = 1 << 16
"""Beyond these the product of matrices is faster, which loads each row once for several others."""
_singles_at, _doubles_at = elements_at(types.float32), elements_at(types.float64)
_down_room, _across_room = on_stack(8 * _MOST_ROWS), on_stack(8 * _MOST_ROWS)
_shape_room = on_stack(16)


# It keeps Python's lock, since it makes the result, and takes less time than another thread would need to get it.
@kernel("cosine_similarity.attempt", nogil=False)
def _attempt(a, b, out, eps):  # type: ignore[no-untyped-def]
    size = float_size(a) if is_plain(a) else 0
    if size == 0 or axes_of(a) != 2 or float_in(eps) == 0 or not _doubles_at(float_in(eps))[0] >= 0:
        return nothing()
    if not is_none(b) and (not is_plain(b) or float_size(b) != size or axes_of(b) != 2):
        return nothing()
    one = matrix_of(a)
    other = one if is_none(b) else matrix_of(b)
    columns, most = one.columns, max(one.rows, other.rows)
    if min(one.rows, other.rows) * columns == 0 or most > _MOST_ROWS or other.columns != columns:
        return nothing()
    if one.rows * other.rows * columns > _MOST_PRODUCTS or not (_is_whole(one, size) and _is_whole(other, size)):
        return nothing()
    if not is_none(out) and not _is_result(out, size, one, other):
        return nothing()
    shape = _shape_room()
    put_at(shape, one.rows)
    put_at(shape + 8, other.rows)
    result = new_array(size, 2, shape) if is_none(out) else shared(out)
    if is_none(result):
        return nothing()
    least = _doubles_at(float_in(eps))[0]
    if size == 4:
        _cosines(_singles_at, np.float32, 4, one, other, least, data_of(result))
    else:
        _cosines(_doubles_at, np.float64, 8, one, other, least, data_of(result))
    return result


@inline
def _cosines(at, dtype, size, one, other, least, place):  # type: ignore[no-untyped-def]
    down, across, result = at(_down_room()), at(_across_room()), at(place)
    for i in range(one.rows):
        down[i] = dtype(_inverse_length(at(one.data + i * one.row_stride), one.columns, least))
    for j in range(other.rows):
        across[j] = dtype(_inverse_length(at(other.data + j * other.row_stride), one.columns, least))
    for i in range(one.rows):
        row = at(one.data + i * one.row_stride)
        for j in range(other.rows):
            total = _dot(row, at(other.data + j * other.row_stride), one.columns, dtype)
            # In this order, so that the cosines of a matrix with itself are symmetric.
            result[i * other.rows + j] = total * (down[i] * across[j])


@inline_reduction
def _inverse_length(row, count, least):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(count):
        total += np.float64(row[k]) * np.float64(row[k])
    length = np.sqrt(total)
    return 1.0 / (least if length < least else length)


@inline_reduction
def _dot(row, other, count, dtype):  # type: ignore[no-untyped-def]
    total = dtype(0)
    for k in range(count):
        total += row[k] * other[k]
    return total


@inline
def _is_whole(matrix, size):  # type: ignore[no-untyped-def]
    """Whether the elements of each row are neighbours."""
    return matrix.column_stride == size or matrix.columns == 1


@inline
def _is_result(out, size, one, other):  # type: ignore[no-untyped-def]
    """Whether an object is a contiguous matrix that the cosines fit into, and has no memory in common with the rows."""
    if not is_plain(out) or float_size(out) != size or not is_target(out) or axes_of(out) != 2:
        return False
    mine, row = matrix_of(out), one.columns * size
    nbytes = mine.rows * mine.columns * size
    fits = mine.rows == one.rows and mine.columns == other.rows
    return fits and _is_apart(mine.data, nbytes, one, row) and _is_apart(mine.data, nbytes, other, row)


@inline
def _is_apart(place, nbytes, rows, row):  # type: ignore[no-untyped-def]
    across = (rows.rows - 1) * rows.row_stride
    return place + nbytes <= rows.data + min(across, 0) or rows.data + max(across, 0) + row <= place


attempt = entry(_attempt, *[given] * 4)
"""``attempt(a, b, out, eps)``: any objects.

Returns the result, ``out`` or a new array, if these are few rows of plain arrays of one native float dtype that fit one
another, ``b`` or None; ``eps`` is a float of 0 or more. Else it returns None, and nothing was done.
"""
