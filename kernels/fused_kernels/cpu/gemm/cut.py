"""How a matrix product is cut, and in which form it runs: decided from its sizes alone."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from fused_kernels.cpu import threads
from fused_kernels.dispatch import Array

from . import rules
from .launch import Settings
from .tile import tiles

_BLOCK_BYTES = 1 << 19
"""Of the packed right side of one block of columns, which stays in the second-level cache."""
_SLAB_BYTES = 1 << 25
"""Of the packed right side that is kept at once."""
_UNITS_PER_THREAD = 4


class Cut(NamedTuple):
    """How one product is cut, and in which form it runs.

    Parameters
    ----------
    form
        ``"direct"``: the right side is read where it is, since each element is used a few times only. ``"flat"``: so
        too, in the flat tile, for the fewest rows. ``"packed"``: both sides are packed. ``"blas"``: NumPy's product,
        finished by our kernel, for a vector: BLAS reads a matrix once at the memory's speed, where nothing is left to
        gain. ``"-parallel"`` is added for more than one thread.
    reason
        What was decided, in words.
    flat
        Whether the flat tile is used.
    threads
        How many.
    settings
        The `Settings`, as an array.
    packed_bytes
        What the packed right side takes.
    """

    form: str
    reason: str
    flat: bool
    threads: int
    settings: Array
    packed_bytes: int


@functools.lru_cache(maxsize=4096)
def cut_of(  # noqa: PLR0917, by position for speed
    m: int, k: int, n: int, size: int, count: int, row_major: bool, mirrored: bool = False
) -> Cut:
    """Return how an (m, k) by (k, n) product of elements of ``size`` bytes is cut for ``count`` threads.

    ``row_major`` tells whether the rows of the right side are contiguous, ``mirrored`` whether only one half is
    computed.
    """
    wide, flat = tiles("float32" if size == 4 else "float64")
    if rules.is_for_blas(m, k, n):
        settings = Settings(1, 1, rules.padded_columns(n, wide.width), n // wide.width * wide.width, 1, n, 1, 0)
        told = "a vector: NumPy's product, then bias and activation in one pass"
        return Cut("blas", told, False, 1, np.array(settings), 0)
    tile = flat if rules.is_flat(m, n, flat.height, flat.width, row_major) else wide
    in_place = rules.columns_in_place(m, k, n, size, tile.height, tile.width, tile.masks, row_major)
    row_tiles, panels = _ceil(m, tile.height), _ceil(n, tile.width)
    depth = _ceil(k, _ceil(k, tile.depth))
    blocks = _ceil(panels * tile.width * depth * size, _BLOCK_BYTES)
    if count > 1:
        blocks = max(blocks, min(panels, _ceil(_UNITS_PER_THREAD * count, row_tiles)))
    block = _ceil(panels, blocks) * tile.width
    used = min(count, row_tiles * _ceil(n, block))
    slab_columns, slab_terms = n, k
    if not in_place:
        slab_columns = n if mirrored else max(block, _SLAB_BYTES // (depth * size) // block * block)
        slab_terms = max(depth, _SLAB_BYTES // (min(n, slab_columns) * size) // depth * depth)
    packed = rules.padded_columns(min(n, slab_columns) - in_place, tile.width) * min(k, slab_terms) * size
    form = ("flat" if tile is flat else "direct") if in_place else "packed"
    return Cut(
        form if used == 1 else f"{form}-parallel",
        f"tiles of {tile.height}x{tile.width} on {threads.in_words(used)}",
        tile is flat,
        used,
        np.array(Settings(used, depth, block, in_place, slab_terms, slab_columns, 0, mirrored)),
        packed,
    )


def _ceil(number: int, unit: int) -> int:
    return -(-number // unit)
