"""How a matrix product is cut into tiles of the result, for one dtype on one kind of processor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core.registry import cpu_target

from fused_kernels.memory import CACHE_LINE

_DEPTH_BYTES = 1536


@dataclass(frozen=True)
class Tile:
    """The cut: what the registers and the first cache hold.

    Parameters
    ----------
    dtype
        ``"float32"`` or ``"float64"``.
    lanes
        Elements of one vector register.
    vectors
        Registers side by side in a row of a tile.
    heights
        Rows of the tiles there are, tallest first; a few rows go to the lowest one that holds them.
    masks
        Whether the processor loads and stores a part of a vector in one instruction.
    """

    dtype: str
    lanes: int
    vectors: int
    heights: tuple[int, ...]
    masks: bool

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
    def padded(self) -> int:
        """Rows that the packed left side has room for: whole squares of vectors, into which it may be transposed."""
        return math.ceil(self.height / self.lanes) * self.lanes

    @property
    def square(self) -> int:
        """Rows and columns of the smallest square of whole tiles."""
        return math.lcm(self.height, self.width)

    @property
    def depth(self) -> int:
        """Terms of each sum that are added up in one visit of a tile: the left side of it stays in the first cache."""
        return _DEPTH_BYTES // self.itemsize

    @property
    def left_stride(self) -> int:
        """Bytes from row to row of the packed left side; a cache line more than needed, lest all rows share a set."""
        return _DEPTH_BYTES + CACHE_LINE

    @property
    def name(self) -> str:
        """Short text that tells this tile from every other."""
        return f"{self.dtype}x{self.lanes}x{self.vectors}x{self.height}"

    @property
    def element(self) -> Any:
        """LLVM's type of an element."""
        return ir.FloatType() if self.dtype == "float32" else ir.DoubleType()


def tiles(dtype: str) -> tuple[Tile, Tile]:
    """Return the tile for this processor and the flat one for at most `Tile.height` rows of it.

    The wide tile balances the loads of both sides. The flat one reads long pieces of rows of the right side, for a
    vector or a few rows times a matrix: each weight is used once or thrice, so reading it is all the time.
    """
    codegen = cpu_target.target_context.codegen()
    features = codegen._tm_features
    size = np.dtype(dtype).itemsize
    if "+avx512f" in features:  # 32 registers of 64 bytes
        return Tile(dtype, 64 // size, 2, (14, 8, 4), True), Tile(dtype, 64 // size, 6, (4,), True)
    if "+avx2" in features:  # 16 registers of 32 bytes
        return Tile(dtype, 32 // size, 2, (6, 4, 2), True), Tile(dtype, 32 // size, 3, (4,), True)
    if codegen.magic_tuple()[0].startswith("x86_64"):  # 16 registers of 16 bytes
        return Tile(dtype, 16 // size, 2, (6, 4, 2), False), Tile(dtype, 16 // size, 3, (4,), False)
    return Tile(dtype, 16 // size, 2, (12, 8, 4), False), Tile(dtype, 16 // size, 6, (4,), False)
