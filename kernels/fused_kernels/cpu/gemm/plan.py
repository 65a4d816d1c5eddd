"""What the threads of a matrix product share: three counters, the operands, and the plan.

They are tuples of int64 with names, from which the layout in memory follows: whoever writes and whoever reads names
the same fields.
"""

from __future__ import annotations

from typing import NamedTuple

from fused_kernels.cpu.addresses import record


class Kit(NamedTuple):
    """The same for all products in one dtype, tile and epilogue: what BLIS calls a context.

    Parameters
    ----------
    size, height, width, padded, square, depth, left_stride, masks
        Of the `Tile`.
    bounded
        Whether the result is at least 0.
    flat_height, flat_width
        Of the flat `Tile`, whose kit is better for a few rows: see `is_flat`.
    core, multiply, pack, epilogue
        Addresses of compiled code: `core`, `tile_product`, `packer` and the pass of an `Epilogue`, or 0.
    """

    size: int
    height: int
    width: int
    padded: int
    square: int
    depth: int
    left_stride: int
    masks: int
    bounded: int
    flat_height: int
    flat_width: int
    core: int
    multiply: int
    pack: int
    epilogue: int


class Operands(NamedTuple):
    """Where the matrices of one product lie: addresses, and strides in bytes.

    Parameters
    ----------
    x, x_row, x_column, weight, weight_row, weight_column, out, out_row
        Of x (m, k), weight (k, n) and out (m, n), a row of which is contiguous.
    bias, down, across
        The bias and the factors of rows and columns; 0 where there are none.
    packed
        Memory for the right side.
    """

    x: int
    x_row: int
    x_column: int
    weight: int
    weight_row: int
    weight_column: int
    out: int
    out_row: int
    bias: int
    down: int
    across: int
    packed: int


class Plan(NamedTuple):
    """How one product, or a slab of it, is computed.

    Parameters
    ----------
    kit
        Address of the `Kit`.
    m, k, n
        Sizes: x is (m, k), weight (k, n).
    depth
        Terms that are summed up in one visit of a tile.
    block
        Columns whose packed right side stays in the second-level cache; a multiple of the tile's width.
    in_place
        Leading columns of the right side that are read where they are; a multiple of the tile's width without
        `Tile.masks`.
    threads
        That may take part.
    first, last
        Whether no terms were summed before, and none remain.
    mirrored
        Whether the product is symmetric, and only one half of it computed.
    """

    kit: int
    m: int
    k: int
    n: int
    depth: int
    block: int
    in_place: int
    threads: int
    first: int
    last: int
    mirrored: int


load_kit, _ = record(Kit)
load_operands, store_operands = record(Operands)
load_plan, store_plan = record(Plan)

# Each counter has a cache line of its own; the plan follows.
NEXT_PIECE, PIECES_DONE, NEXT_UNIT, OPERANDS = 0, 64, 128, 192
PLAN = OPERANDS + 8 * len(Operands._fields)
PLAN_BYTES = PLAN + 8 * len(Plan._fields)
KIT_BYTES = 8 * len(Kit._fields)
