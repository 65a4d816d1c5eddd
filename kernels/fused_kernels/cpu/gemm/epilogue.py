"""The epilogue of a product: what is done to its elements while they are in the first cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import types

from fused_kernels.cpu.addresses import elements_at
from fused_kernels.cpu.compile import inline, kernel, machine_code
from fused_kernels.cpu.formula import compile_formula
from fused_kernels.dispatch import Array

from .core import core
from .microkernel import tile_product
from .pack import packer
from .plan import Kit
from .tile import Tile, tiles


@dataclass(frozen=True, eq=False)
class Epilogue:
    """How the elements of ``x @ weight + bias`` become those of the result, in this order.

    Parameters
    ----------
    name
        Unique in the package.
    bounded
        Whether what is below 0 becomes 0, which costs nothing: it is done in registers.
    scaled
        Whether each is multiplied by a factor of its row and one of its column.
    formula
        A Python function of a scalar, as `compile_formula` takes, or None.
    compiled
        What `attempt` reads: the kits by dtype and tile, one in a row; zeros where none was made yet.
    """

    name: str
    bounded: bool = False
    scaled: bool = False
    formula: Callable[[Any], Any] | None = None
    compiled: Array = field(default_factory=lambda: np.zeros((4, len(Kit._fields)), np.int64), init=False, repr=False)

    def kit(self, itemsize: int, flat: bool) -> Array:
        """Return the `Kit` for float32 (``itemsize`` 4) or float64 (8) as an array; compile what it needs."""
        row: Array = self.compiled[(itemsize == 8) + 2 * flat]
        if not row[0]:
            row[:] = _kit(self, "float32" if itemsize == 4 else "float64", flat)
        return row


PLAIN = Epilogue("plain")
RELU = Epilogue("relu", bounded=True)


def _kit(epilogue: Epilogue, dtype: str, flat: bool) -> Kit:
    wide_tile, flat_tile = tiles(dtype)
    tile = flat_tile if flat else wide_tile
    return Kit(
        size=tile.itemsize,
        height=tile.height,
        width=tile.width,
        padded=tile.padded,
        square=tile.square,
        depth=tile.depth,
        left_stride=tile.left_stride,
        masks=tile.masks,
        bounded=epilogue.bounded,
        flat_height=flat_tile.height,
        flat_width=flat_tile.width,
        core=_core(),
        multiply=_multiply(tile),
        pack=_pack(tile),
        epilogue=_pass(epilogue, tile) if epilogue.scaled or epilogue.formula else 0,
    )


# Called by their addresses, so each is compiled once: the core for all tiles, tile and copies for all epilogues.


@functools.cache
def _core() -> int:
    return machine_code(core, 3)


@functools.cache
def _multiply(tile: Tile) -> int:
    return machine_code(kernel(f"gemm.tile.{tile.name}")(tile_product(tile)), 12)


@functools.cache
def _pack(tile: Tile) -> int:
    return machine_code(kernel(f"gemm.pack.{tile.name}")(packer(tile)), 9)


def _pass(epilogue: Epilogue, tile: Tile) -> int:
    """Compile the pass over a tile of the result."""
    width, scaled, at = tile.width, epilogue.scaled, elements_at(getattr(types, tile.dtype))
    formula = compile_formula(epilogue.formula) if epilogue.formula else inline(_same)

    @inline
    def over_row(line, factor, across, columns):  # type: ignore[no-untyped-def]
        for j in range(columns):
            value = line[j] * (factor * across[j]) if scaled else line[j]
            line[j] = formula(value)

    def over_tile(out, out_row, rows, columns, down, across):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        factors, others = at(down), at(across)
        for row in range(rows):
            line = at(out + row * out_row)
            factor = factors[row] if scaled else line[0]
            if columns == width:
                # A number of columns that the compiler knows leaves no remainder to be computed one by one.
                over_row(line, factor, others, width)
            else:
                over_row(line, factor, others, columns)

    return machine_code(kernel(f"gemm.epilogue.{epilogue.name}.{tile.name}")(over_tile), 6)


def _same(value: Any) -> Any:
    return value
