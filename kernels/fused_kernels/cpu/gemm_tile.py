"""The innermost loop of a matrix product: one tile of the result, held in vector registers while it is summed up.

Written as LLVM IR, because neither Numba nor LLVM's vectoriser keeps a two-dimensional tile in registers. It reaches
about 97 % of the processor's peak, with the bias and a lower bound (relu) applied before the only store.
"""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_CACHE_LINE = 64


@dataclass(frozen=True)
class Tile:
    """How a matrix product is cut for one dtype on one kind of processor.

    Parameters
    ----------
    dtype
        ``"float32"`` or ``"float64"``.
    lanes
        Elements of one vector register.
    vectors
        Registers side by side in a row of a tile.
    heights
        Rows of the tiles there are, tallest first; rows that remain go to the lowest one that holds them.
    rows
        Rows of the left side that are packed together, to stay in the second-level cache; a multiple of the height.
    group
        Panels of the right side, each one tile wide, that are packed together: long reads of one row suit the memory.
    """

    dtype: str
    lanes: int
    vectors: int
    heights: tuple[int, ...]
    rows: int
    group: int

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    @property
    def height(self) -> int:
        """Rows of the tallest tile."""
        return self.heights[0]

    @property
    def depth(self) -> int:
        """Terms of each sum that are added up in one visit of a tile: 1 KiB, so that both sides stay in the caches."""
        return 1024 // self.itemsize

    @property
    def left_stride(self) -> int:
        """Bytes from row to row of the packed left side; a cache line more than needed, lest all rows share a set."""
        return self.depth * self.itemsize + _CACHE_LINE

    @property
    def name(self) -> str:
        """Short text that tells this tile from every other."""
        return f"{self.dtype}x{self.lanes}x{self.vectors}x{self.height}"


def tiles(dtype: str) -> tuple[Tile, Tile]:
    """Return the tile for this processor and the flat one for at most `Tile.height` rows of it.

    The wide tile balances the loads of both sides. The flat one reads long pieces of rows of the right side, for a
    vector or a few rows times a matrix: each weight is used once or thrice, so reading it is all the time.
    """
    codegen = cpu_target.target_context.codegen()
    features = codegen._tm_features
    size = np.dtype(dtype).itemsize
    if "+avx512f" in features:  # 32 registers of 64 bytes
        return Tile(dtype, 64 // size, 2, (14, 8, 4), 560, 8), Tile(dtype, 64 // size, 6, (4,), 64, 2)
    if "+avx2" in features:  # 16 registers of 32 bytes
        return Tile(dtype, 32 // size, 2, (6, 4, 2), 192, 8), Tile(dtype, 32 // size, 3, (4,), 64, 4)
    if codegen.magic_tuple()[0].startswith("x86_64"):  # 16 registers of 16 bytes
        return Tile(dtype, 16 // size, 2, (6, 4, 2), 192, 8), Tile(dtype, 16 // size, 3, (4,), 64, 4)
    return Tile(dtype, 16 // size, 2, (12, 8, 4), 192, 8), Tile(dtype, 16 // size, 6, (4,), 64, 4)


def tile_product(tile: Tile) -> Any:
    """Make the intrinsic that computes one tile of the result.

    It is called in a kernel as ``product(rows, left, right, right_stride, out, out_stride, depth, first, bias, low)``
    and sets a tile of at least ``rows`` rows to ``max(left @ right + bias, low)``. NaN stays NaN.

    Parameters of the intrinsic
        rows: which of the heights; left: address of packed rows, `Tile.left_stride` apart; right, right_stride:
        address and bytes from row to row of `Tile.width` columns; out, out_stride: likewise; depth: terms of the
        sums, at least 1; first: 0 to add to what stands in ``out``; bias: address of `Tile.width` elements; low: a
        float, -inf for no bound.
    """
    number = getattr(types, tile.dtype)

    @intrinsic
    def product(
        _context: Any,
        rows: Any,
        left: Any,
        right: Any,
        right_stride: Any,
        out: Any,
        out_stride: Any,
        depth: Any,
        first: Any,
        bias: Any,
        low: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            done = builder.append_basic_block("tile.done")
            for height, lower in zip(tile.heights, (*tile.heights[1:], 0), strict=True):
                here, other = (builder.append_basic_block(f"tile.{name}") for name in (height, f"below.{height}"))
                builder.cbranch(builder.icmp_signed(">", args[0], _WORD(lower)), here, other)
                builder.position_at_end(here)
                builder.call(_tile_function(builder.module, tile, height), args[1:])
                builder.branch(done)
                builder.position_at_end(other)
            builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 9, number), emit

    return product


def _tile_function(module: Any, tile: Tile, height: int) -> Any:
    """Return the LLVM function of one height; a function and not inlined, so that its code is compiled once."""
    name = f"fused_kernels.tile.{tile.name}.{height}"
    if name in module.globals:
        return module.globals[name]
    element = ir.FloatType() if tile.dtype == "float32" else ir.DoubleType()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_WORD] * 8 + [element]), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    _write_tile(function, tile, height, ir.VectorType(element, tile.lanes))
    return function


def _write_tile(function: Any, tile: Tile, height: int, vector: Any) -> None:
    left, right, right_stride, out, out_stride, depth, first, bias, low = function.args
    size, cells = tile.itemsize, [(row, part) for row in range(height) for part in range(tile.vectors)]
    entry, resume, start, loop, end = (
        function.append_basic_block(name) for name in ("entry", "resume", "start", "loop", "end")
    )
    builder = ir.IRBuilder(entry)
    multiply_add = _multiply_add(function.module, vector)
    zero = ir.Constant(vector, [0.0] * tile.lanes)

    def load(address: Any, offset: int) -> Any:
        value = builder.load(builder.inttoptr(builder.add(address, _WORD(offset)), vector.as_pointer()))
        value.align = size
        return value

    def spread(value: Any) -> Any:
        lane = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
        picks = ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), [0] * tile.lanes)
        return builder.shuffle_vector(lane, ir.Constant(vector, ir.Undefined), picks)

    def over_cells(block: Any, *sources: Callable[[int], tuple[Any, Any]]) -> list[Any]:
        phis = []
        for index in range(len(cells)):
            phi = builder.phi(vector)
            for source in sources:
                phi.add_incoming(*source(index))
            phis.append(phi)
        return phis

    part_bytes = tile.lanes * size
    out_rows = [builder.add(out, builder.mul(out_stride, _WORD(row))) for row in range(height)]
    builder.cbranch(builder.icmp_signed("!=", first, _WORD(0)), start, resume)

    builder.position_at_end(resume)
    before = [load(out_rows[row], part * part_bytes) for row, part in cells]
    builder.branch(start)

    builder.position_at_end(start)
    initial = over_cells(start, lambda index: (zero, entry), lambda index: (before[index], resume))
    builder.branch(loop)

    builder.position_at_end(loop)
    step = builder.phi(_WORD)
    step.add_incoming(_WORD(0), start)
    right_row = builder.phi(_WORD)
    right_row.add_incoming(right, start)
    sums = over_cells(loop, lambda index: (initial[index], start))
    parts = [load(right_row, part * part_bytes) for part in range(tile.vectors)]
    left_column = builder.add(left, builder.mul(step, _WORD(size)))
    totals: list[Any] = []
    for row in range(height):
        address = builder.add(left_column, _WORD(row * tile.left_stride))
        factor = spread(builder.load(builder.inttoptr(address, vector.element.as_pointer())))
        for part in range(tile.vectors):
            totals.append(builder.call(multiply_add, [factor, parts[part], sums[len(totals)]]))
    for phi, total in zip(sums, totals, strict=True):
        phi.add_incoming(total, loop)
    following = builder.add(step, _WORD(1))
    step.add_incoming(following, loop)
    right_row.add_incoming(builder.add(right_row, right_stride), loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)

    builder.position_at_end(end)
    shifts, bound = [load(bias, part * part_bytes) for part in range(tile.vectors)], spread(low)
    for (row, part), total in zip(cells, totals, strict=True):
        value = builder.fadd(total, shifts[part])
        value = builder.select(builder.fcmp_ordered("<", value, bound), bound, value)
        address = builder.add(out_rows[row], _WORD(part * part_bytes))
        builder.store(value, builder.inttoptr(address, vector.as_pointer())).align = size
    builder.ret_void()


def _multiply_add(module: Any, vector: Any) -> Any:
    """Fused where the processor can; ``llvm.fma`` would call the C library where it cannot."""
    name = f"llvm.fmuladd.v{vector.count}{'f32' if vector.element == ir.FloatType() else 'f64'}"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(vector, [vector] * 3), name)
