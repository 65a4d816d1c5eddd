"""The blocks of a matrix product, and the start of the threads that take them."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import types

from .compile import Kernel, inline, kernel
from .fork_join import run
from .gemm_pack import packer
from .gemm_plan import PLAN_WORDS, address_of, claim, elements_at, pack, read_plan, row_copy, write_plan
from .gemm_tile import Tile, tile_product

_LINE = 64


@dataclass(frozen=True, eq=False)
class Activation:
    """A function of a scalar that finishes each element of a product; ``formula`` is compiled into the kernel."""

    name: str
    formula: Kernel


RELU = Activation("relu", lambda x: x)
"""Relu is a bound in the innermost loop, which costs nothing; its formula is not called."""


def workspace_words(tile: Tile, count: int) -> int:
    """Return how many int64 `launch` needs for ``count`` threads: the plan, and what each thread packs."""
    return _LINE // 8 + PLAN_WORDS + count * _slot_bytes(tile) // 8


@functools.cache
def machine_code(tile: Tile, activation: Activation | None) -> tuple[int, int]:
    """Compile the blocks and the copies of a product; return their addresses.

    `launch` takes them as numbers, so it is compiled once for all tiles and activations, and the copies once for all
    activations; and the blocks are compiled in a tenth of the time that they would take with all inlined.
    """
    name = f"{tile.name}.{activation.name}" if activation and activation is not RELU else tile.name
    blocks = kernel(f"gemm.blocks.{name}")(_make_core(tile, activation))
    return _code_of(blocks, 3), _packer(tile)


@functools.cache
def _packer(tile: Tile) -> int:
    return _code_of(kernel(f"gemm.pack.{tile.name}")(packer(tile)), 9)


def _code_of(function: Any, arguments: int) -> int:
    result = function.get_compile_result(numba.void(*[types.int64] * arguments))
    _kept.append(result)
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))


_kept: list[Any] = []
"""Whose code is called by its address must not be unloaded."""


@functools.cache
def _slot_bytes(tile: Tile) -> int:
    """Bytes that one thread packs into: zeros, a bias, one tile of the result, the left and the right side."""
    row, depth_row = tile.width * tile.itemsize, tile.depth * tile.itemsize
    size = depth_row + (1 + tile.height) * row + (tile.rows + tile.height) * tile.left_stride
    return math.ceil((size + tile.group * tile.depth * row) / _LINE) * _LINE


def _make_core(tile: Tile, activation: Activation | None) -> Kernel:  # noqa: PLR0915, one loop nest
    size, width, height, depth, left_stride = tile.itemsize, tile.width, tile.height, tile.depth, tile.left_stride
    panel, group, row_bytes, slot_bytes = width * depth * size, tile.group * width, width * size, _slot_bytes(tile)
    infinity, zero = np.dtype(tile.dtype).type(np.inf), np.dtype(tile.dtype).type(0)
    multiply, at, copy, heights = tile_product(tile), elements_at(tile), row_copy(tile), tile.heights
    finishing = activation is not None and activation is not RELU
    formula = inline(activation.formula if activation else RELU.formula)

    def core(plan, slot, _slots):  # type: ignore[no-untyped-def]
        (
            x, weight, bias, out, m_all, k, n_all, x_row, x_column, weight_row, weight_column, out_row,
            task_rows, task_columns, direct, bounded, slots, tasks_across, tasks, packer,
        ) = read_plan(plan)  # fmt: skip
        zeros = slots + slot * slot_bytes
        shift = zeros + depth * size
        piece = shift + row_bytes
        left = piece + height * row_bytes
        right = left + (task_rows + height) * left_stride
        for j in range(depth):
            at(zeros)[j] = zero
        task = claim(plan)
        while task < tasks:
            i0, j0 = task // tasks_across * task_rows, task % tasks_across * task_columns
            m, n = min(task_rows, m_all - i0), min(task_columns, n_all - j0)
            for k0 in range(0, k, depth):
                terms, first, last = min(depth, k - k0), k0 == 0, k0 + depth >= k
                low = zero if last and bounded != 0 else -infinity
                here = x + i0 * x_row + k0 * x_column
                pack(packer, here, x_row, x_column, left, left_stride, 0, depth, m, terms)
                # Zeros for the rows that a tile has beyond the last: what lay there could be slow to compute with.
                copy(packer, zeros, 0, left + m * left_stride, left_stride, -m % height, terms)
                for g0 in range(0, n, group):
                    here = weight + k0 * weight_row + (j0 + g0) * weight_column
                    count = min(group, n - g0)
                    straight = count // width * width if direct != 0 and weight_column == size else 0
                    if straight < count:
                        pack(
                            packer, here + straight * size, weight_row, weight_column,
                            right + straight // width * panel, row_bytes, panel, width, terms, count - straight,
                        )  # fmt: skip
                    for p0 in range(0, count, width):
                        columns, place = min(width, count - p0), j0 + g0 + p0
                        source, source_row = right + p0 // width * panel, row_bytes
                        if p0 < straight:
                            source, source_row = here + p0 * size, weight_row
                        added = zeros
                        if last and bias != 0:
                            added = bias + place * size
                            if columns < width:
                                copy(packer, added, 0, shift, 0, 1, columns)
                                added = shift
                        for i in range(0, m, height):
                            rows = min(height, m - i)
                            target = out + (i0 + i) * out_row + place * size
                            there, there_row, whole = target, out_row, columns == width and rows in heights
                            if not whole:
                                there, there_row = piece, row_bytes
                                if not first:
                                    copy(packer, target, out_row, piece, row_bytes, rows, columns)
                            multiply(
                                rows, left + i * left_stride, source, source_row, there, there_row, terms, int(first),
                                added, low,
                            )  # fmt: skip
                            if finishing and last:
                                for row in range(rows):
                                    line = at(there + row * there_row)
                                    for j in range(width):
                                        line[j] = formula(line[j])
                            if not whole:
                                copy(packer, piece, row_bytes, target, out_row, rows, columns)
            task = claim(plan)

    return core


@kernel("gemm.launch")
def launch(state, count, template, workspace, x, weight, bias, out):  # type: ignore[no-untyped-def]
    """Fill in the plan of a product and start ``count`` threads on it.

    ``template`` is from `plan_template`; of the arrays only the addresses are used, and whether there is a bias.

    Returns
    -------
    bool
        False, and nothing is done, if ``out`` may overlap an input: rows that are still needed would be overwritten.
    """
    plan = (address_of(workspace) + _LINE - 1) // _LINE * _LINE
    m, k, n, size = template[0], template[1], template[2], template[3]
    x_row, x_column, weight_row, weight_column = template[4], template[5], template[6], template[7]
    task_rows, task_columns = template[8], template[9]
    here, to, shift = address_of(x), address_of(out), address_of(bias) if bias.size else 0
    end = to + m * n * size
    if (
        _meets(to, end, here, m, x_row, k, x_column, size)
        or _meets(to, end, address_of(weight), k, weight_row, n, weight_column, size)
        or (shift != 0 and _meets(to, end, shift, 1, 0, n, size, size))
    ):
        return False
    tasks_across = (n + task_columns - 1) // task_columns
    tasks = (m + task_rows - 1) // task_rows * tasks_across
    write_plan(
        plan,
        (
            here, address_of(weight), shift, to, m, k, n, x_row, x_column, weight_row, weight_column, n * size,
            task_rows, task_columns, template[10], template[11], plan + PLAN_WORDS * 8, tasks_across, tasks,
            template[13],
        ),
    )  # fmt: skip
    run(state, count, template[12], plan)
    return True


@inline
def _meets(start, end, address, rows, row_stride, columns, column_stride, size):  # type: ignore[no-untyped-def]
    """Whether bytes ``start:end`` have any between the first and the last of a matrix."""
    down, across = (rows - 1) * row_stride, (columns - 1) * column_stride
    first = address + min(down, 0) + min(across, 0)
    last = address + max(down, 0) + max(across, 0) + size
    return start < last and first < end
