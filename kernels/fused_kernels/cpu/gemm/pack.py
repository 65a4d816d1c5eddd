"""Copy a piece of a matrix, whatever its strides, to where the innermost loop of a product finds it in order."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fused_kernels.cpu.compile import Kernel

from .tile import Tile

_WORD = ir.IntType(64)


def packer(tile: Tile) -> Kernel:
    """Make the copy that a product in ``tile`` needs, to be compiled as a kernel.

    Returns
    -------
    pack
        ``pack(source, row_stride, column_stride, target, target_stride, panel, width, rows, columns)`` copies to
        panels of ``width`` columns, ``panel`` bytes apart, each row-major with ``target_stride``. If ``width`` is the
        tile's, the last panel is filled up with zeros. Strides and distances are in bytes, places are addresses.
    """
    size, lanes, tile_width = tile.itemsize, tile.lanes, tile.width
    move, move_one = _move(tile, lanes), _move(tile, 1)
    clear_one, transpose = _clear(tile), _transpose(tile)

    def pack(  # type: ignore[no-untyped-def]
        source, row_stride, column_stride, target, target_stride, panel, width, rows, columns
    ):
        whole = columns // width * width if column_stride == size and width == tile_width else 0
        if whole > 0:
            # Row by row over all panels: the longer the piece that is read at once, the better for the memory.
            for row in range(rows):
                here, there = source + row * row_stride, target + row * target_stride
                for _ in range(whole // width):
                    for column in range(0, tile_width, lanes):
                        move(here + column * size, there + column * size)
                    here += width * size
                    there += panel
        for first in range(whole, columns, width):
            here, there = source + first * column_stride, target + first // width * panel
            count = min(width, columns - first)
            done_rows, done_columns = 0, count // lanes * lanes
            if column_stride == size:
                done_rows = rows
                for row in range(rows):
                    for column in range(0, done_columns, lanes):
                        move(here + row * row_stride + column * size, there + row * target_stride + column * size)
            elif row_stride == size:
                done_rows = rows // lanes * lanes
                for column in range(0, done_columns, lanes):
                    for row in range(0, done_rows, lanes):
                        transpose(
                            here + row * size + column * column_stride, column_stride,
                            there + row * target_stride + column * size, target_stride,
                        )  # fmt: skip
            for row in range(rows):
                for column in range(done_columns if row < done_rows else 0, count):
                    move_one(
                        here + row * row_stride + column * column_stride, there + row * target_stride + column * size
                    )
                if width == tile_width:
                    for column in range(count, width):
                        clear_one(there + row * target_stride + column * size)

    return pack


def _move(tile: Tile, count: int) -> Any:
    """Make the intrinsic that copies ``count`` neighbouring elements in one load and one store."""
    kind = tile.element if count == 1 else ir.VectorType(tile.element, count)

    @intrinsic
    def move(_context: Any, source: Any, target: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            here, there = (builder.inttoptr(arg, kind.as_pointer()) for arg in args)
            value = builder.load(here)
            value.align = tile.itemsize
            builder.store(value, there).align = tile.itemsize
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), emit

    return move


def _clear(tile: Tile) -> Any:
    @intrinsic
    def clear(_context: Any, target: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = tile.element
            builder.store(ir.Constant(kind, 0.0), builder.inttoptr(args[0], kind.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.int64), emit

    return clear


def _transpose(tile: Tile) -> Any:
    """Make the intrinsic that transposes a square of `Tile.lanes`: log2(lanes) rounds of a perfect shuffle."""
    lanes, size = tile.lanes, tile.itemsize
    half, vector = lanes // 2, ir.VectorType(tile.element, lanes)
    picks = ir.VectorType(ir.IntType(32), lanes)
    front, back = (
        ir.Constant(picks, [start + lane // 2 + lanes * (lane % 2) for lane in range(lanes)]) for start in (0, half)
    )

    @intrinsic
    def transpose(_context: Any, source: Any, source_stride: Any, target: Any, target_stride: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            source, source_stride, target, target_stride = args

            def place(base: Any, stride: Any, index: int) -> Any:
                return builder.inttoptr(builder.add(base, builder.mul(stride, _WORD(index))), vector.as_pointer())

            rows = []
            for index in range(lanes):
                row = builder.load(place(source, source_stride, index))
                row.align = size
                rows.append(row)
            for _ in range(lanes.bit_length() - 1):
                pairs = zip(rows[:half], rows[half:], strict=True)
                rows = [builder.shuffle_vector(a, b, pick) for a, b in pairs for pick in (front, back)]
            for index, row in enumerate(rows):
                builder.store(row, place(target, target_stride, index)).align = size
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), emit

    return transpose
