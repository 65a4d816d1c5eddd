"""What each thread of a matrix product does.

First the right side is packed, piece by piece, by whoever comes; a thread that finds no piece left waits for the last
ones, which are being packed at that moment. Then the result is computed in units, a row of tiles high and a block of
columns wide. A thread takes several neighbouring units at once, fewer towards the end, so that a thread that comes
late or is held up holds up no other. The sums of an element are added in one order, whatever the threads.
"""

# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import Any

from fused_kernels.cpu import atomic
from fused_kernels.cpu.addresses import call, on_stack
from fused_kernels.cpu.compile import inline, kernel

from .plan import NEXT_PIECE, NEXT_UNIT, OPERANDS, PIECES_DONE, PLAN, load_kit, load_operands, load_plan

_PANELS = 8
"""Panels of the right side that are packed together: long reads of one row suit the memory."""
_LINE_BYTES = 512
"""More than a row of any tile."""
_LEFT_BYTES = 16 * 1600
"""As much as any tile packs of the left side."""

_left_room = on_stack(_LEFT_BYTES)
_line_room = on_stack(2 * _LINE_BYTES, cleared=_LINE_BYTES)


@kernel("gemm.core")
def core(at: int, _share: int, _shares: int) -> None:
    """Do a share of the product whose counters and plan are at this address."""
    plan, given = load_plan(at + PLAN), load_operands(at + OPERANDS)
    kit = load_kit(plan.kit)
    if plan.in_place < plan.n:
        _pack_right(at, plan, given, kit)
    left, zeros = _left_room(), _line_room()
    blocks, rows_of_tiles = _ceil(plan.n, plan.block), _ceil(plan.m, kit.height)
    units = blocks * rows_of_tiles
    unit = atomic.load(at + NEXT_UNIT)
    while unit < units:
        # Of one block only, whose right side then stays in the cache.
        count = rows_of_tiles - unit % rows_of_tiles
        alone = plan.threads == 1
        if not alone:
            count = min(count, max(1, (units - unit) // (2 * plan.threads)))
        if alone or atomic.swap_if(at + NEXT_UNIT, unit, unit + count):
            _multiply(plan, given, kit, left, zeros, unit // rows_of_tiles * plan.block, unit % rows_of_tiles, count)
        unit = unit + count if alone else atomic.load(at + NEXT_UNIT)


@inline
def _pack_right(at: int, plan: Any, given: Any, kit: Any) -> None:
    columns = plan.n - plan.in_place
    groups = _ceil(columns, _PANELS * kit.width)
    pieces = groups * _ceil(plan.k, plan.depth)
    piece = atomic.add(at + NEXT_PIECE, 1)
    while piece < pieces:
        k0, first = piece // groups * plan.depth, piece % groups * _PANELS * kit.width
        terms = min(plan.depth, plan.k - k0)
        call(
            kit.pack,
            (
                given.weight + k0 * given.weight_row + (plan.in_place + first) * given.weight_column,
                given.weight_row, given.weight_column,
                _packed(plan, given, kit, k0, terms, first), kit.width * kit.size, kit.width * kit.size * terms,
                kit.width, terms, min(_PANELS * kit.width, columns - first),
            ),
        )  # fmt: skip
        atomic.add(at + PIECES_DONE, 1)
        piece = atomic.add(at + NEXT_PIECE, 1)
    while atomic.load(at + PIECES_DONE) < pieces:
        atomic.pause()


@inline
def _packed(plan: Any, given: Any, kit: Any, k0: int, terms: int, column: int) -> int:
    """Return where the panel of ``column``, counted from the first that is packed, begins."""
    columns = _ceil(plan.n - plan.in_place, kit.width) * kit.width
    result: int = given.packed + (k0 * columns + terms * column) * kit.size
    return result


@inline
def _multiply(plan: Any, given: Any, kit: Any, left: int, zeros: int, column: int, first_tile: int, count: int) -> None:
    """Compute some rows of tiles of one block of columns."""
    end = min(column + plan.block, plan.n)
    for k0 in range(0, max(plan.k, 1), plan.depth):
        terms = min(plan.depth, plan.k - k0)
        last = plan.last != 0 and k0 + plan.depth >= plan.k
        for tile in range(first_tile, first_tile + count):
            row = tile * kit.height
            rows = min(kit.height, plan.m - row)
            start = max(column, row // kit.square * kit.square) if plan.mirrored != 0 else column
            if start < end:
                _pack_left(plan, given, kit, left, k0, terms, row, rows)
            for place in range(start, end, kit.width):
                columns = min(kit.width, plan.n - place)
                if place < plan.in_place:
                    right, right_row = given.weight + k0 * given.weight_row + place * kit.size, given.weight_row
                else:
                    right = _packed(plan, given, kit, k0, terms, place - plan.in_place)
                    right_row = kit.width * kit.size
                out = given.out + row * given.out_row + place * kit.size
                bias = given.bias + place * kit.size if last and given.bias != 0 else zeros
                call(
                    kit.multiply,
                    (
                        rows, columns, left, right, right_row, out, given.out_row, terms,
                        plan.first if k0 == 0 else 0, bias, kit.bounded if last else 0, zeros + _LINE_BYTES,
                    ),
                )  # fmt: skip
                if last and kit.epilogue != 0:
                    down, across = given.down + row * kit.size, given.across + place * kit.size
                    call(kit.epilogue, (out, given.out_row, rows, columns, down, across))
    if plan.mirrored != 0 and plan.last != 0:
        _mirror(plan, given, kit, column, end, first_tile * kit.height, min((first_tile + count) * kit.height, plan.m))


@inline
def _pack_left(plan: Any, given: Any, kit: Any, left: int, k0: int, terms: int, row: int, rows: int) -> None:
    source = given.x + row * given.x_row + k0 * given.x_column
    # Whole squares can be transposed in registers; rows beyond those of the tile do no harm.
    taken = kit.padded if given.x_row == kit.size and row + kit.padded <= plan.m else rows
    call(kit.pack, (source, given.x_row, given.x_column, left, kit.left_stride, 0, max(terms, 1), taken, terms))
    if rows < kit.height:
        # What lay in the rows that are missing could be slow to compute with: take a row that is there.
        source += (rows - 1) * given.x_row
        target = left + rows * kit.left_stride
        missing = kit.height - rows
        call(kit.pack, (source, 0, given.x_column, target, kit.left_stride, 0, max(terms, 1), missing, terms))


@inline
def _mirror(plan: Any, given: Any, kit: Any, column: int, end: int, row: int, end_row: int) -> None:
    """Copy what was computed right of the diagonal's squares to its place below them."""
    while row < end_row:
        next_square = (row // kit.square + 1) * kit.square
        below, first = min(end_row, next_square), max(column, next_square)
        if first < end:
            call(
                kit.pack,
                (
                    given.out + row * given.out_row + first * kit.size, kit.size, given.out_row,
                    given.out + first * given.out_row + row * kit.size, given.out_row,
                    0, below - row, end - first, below - row,
                ),
            )  # fmt: skip
        row = below


@inline
def _ceil(number: int, unit: int) -> int:
    return (number + unit - 1) // unit
