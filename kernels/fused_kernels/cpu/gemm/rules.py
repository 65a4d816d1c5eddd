"""What decides how a product is computed: `cut` calls these functions, and `launch` compiles them into `attempt`.

Sizes are those of an (m, k) by (k, n) product; heights and widths those of tiles.
"""

# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

SERIAL_WORK = 1 << 19
"""Multiply-adds from which more threads pay; 4 µs on one core with AVX-512."""
STREAM_ROWS = 8
"""Reading a weight takes about as long as this many multiply-adds with it."""
DIRECT_TILES = 4
"""Tiles above one another up to which the right side is read where it is."""
DIRECT_BYTES = 1 << 16
"""Of the right side, up to which it is read where it is."""
BLAS_WORK = 1 << 16
"""Multiply-adds from which a product with a vector is NumPy's."""


def is_for_blas(m: int, k: int, n: int) -> bool:
    """Whether this is a product with a vector that BLAS computes at the memory's speed."""
    return (m == 1 or n == 1) and m * k * n >= BLAS_WORK


def is_for_one_thread(m: int, k: int, n: int) -> bool:
    """Whether more threads would take longer."""
    return max(m, STREAM_ROWS) * k * n < SERIAL_WORK


def is_flat(m: int, n: int, flat_height: int, flat_width: int, row_major: bool) -> bool:
    """Whether so few rows suit the flat tile."""
    return m <= flat_height and n >= 2 * flat_width and row_major


def columns_in_place(m: int, k: int, n: int, size: int, height: int, width: int, masks: int, row_major: bool) -> int:
    """Return how many columns of the right side are read where they are.

    A few rows use each element of it a few times, and one that stays in the first cache is read as fast from where it
    is: packing it would cost as much as it saves. Without ``masks`` only whole tiles can be read.
    """
    if not row_major or (m > DIRECT_TILES * height and k * n * size > DIRECT_BYTES):
        return 0
    return n if masks else n // width * width


def padded_columns(n: int, width: int) -> int:
    """Return the columns of whole tiles that hold ``n``."""
    return (n + width - 1) // width * width
