"""What a sweep goes over: the ladder of shapes of an operation, and what "size" means on its axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fused_kernels.catalog import Op, Shape
from workbench.bench.environment import caches, environment
from workbench.text import format_round, format_sizes

STEP = 4
"""How many times more elements the next rung has; twice as long a side, for matrices."""
_SMALLEST = 16
_BEYOND = 4
"""The ladder ends where an operation touches so many times what the last cache holds."""
_USUAL_CACHE = 32 << 20
# The truth of float64 inputs is computed in long double, which has no BLAS.
_MOST_FLOPS = {"float64": 5e9}
_USUAL_FLOPS = 2e10


@dataclass(frozen=True)
class Axis:
    """What size means in a sweep.

    Parameters
    ----------
    name
        ``"elements"`` of the shape, ``"matrix size"`` (the geometric mean of m, k and n), or ``"size"``: the number
        that the user's ``inputs=`` takes.
    growth
        By which power of the size the time of a call grows in the end.
    """

    name: str
    growth: float

    def size(self, shape: Shape) -> float:
        """Return the size of a shape."""
        product = float(math.prod(shape))
        return product ** (1 / len(shape)) if self.name == "matrix size" else product

    def words(self, size: float, *, unit: bool = True) -> str:
        """Return a size as people say it, two digits of it.

        >>> ELEMENTS.words(713.0), MATRICES.words(88.2), PLAIN.words(4096)
        ('710 elements', '88 x 88 x 88', 'a size of 4,100')
        """
        number = format_round(size)
        if not unit:
            return number
        if self.name == "elements":
            return f"{number} elements"
        return f"{number} x {number} x {number}" if self.name == "matrix size" else f"a size of {number}"


ELEMENTS = Axis("elements", 1.0)
MATRICES = Axis("matrix size", 3.0)
PLAIN = Axis("size", 1.0)
AXES = {axis.name: axis for axis in (ELEMENTS, MATRICES, PLAIN)}


def axis_of(op: Op) -> Axis:
    """Return what size means for an operation."""
    return MATRICES if op.family == "matrices" else ELEMENTS


def ladder(op: Op, dtype: str) -> list[Shape]:
    """Return shapes from a few elements to well beyond the last cache, each about four times the one before.

    Operations on elements go over flat arrays. Those on rows keep the length of the rows of their first shape and
    have more and more of them; below one row, the row is shorter. Matrices keep the proportions of the first shape,
    each side twice as long as before, and end early where arithmetic makes them slow.
    """
    base = op.shapes[0]
    cost = op.cost(**op.sample(base, np.dtype(dtype), np.random.default_rng(0)))
    room = _room()
    flops = _MOST_FLOPS.get(dtype, _USUAL_FLOPS)
    if op.family == "matrices":
        largest = min(math.sqrt(room / cost.nbytes), (flops / max(cost.flops, 1)) ** (1 / 3)) * MATRICES.size(base)
        return _proportional(base, largest)
    most = max(room / cost.nbytes * math.prod(base), _SMALLEST)
    return _flat(most) if op.family == "elements" else _rows(base, most)


def numbers() -> list[Shape]:
    """Return the sizes that functions are swept over if none are given: 16 to 4 million."""
    return [(_SMALLEST * STEP**power,) for power in range(10)]


def between(one: Shape, other: Shape) -> Shape:
    """Return the shape half-way between two, on a logarithmic scale.

    >>> between((1, 768), (16, 768)), between((64,), (256,))
    ((4, 768), (128,))
    """
    return tuple(round(math.sqrt(a * b)) for a, b in zip(one, other, strict=True))


def shape_words(shape: tuple[int, ...]) -> str:
    """Return a shape as people say it; of a flat array the number of its elements.

    >>> shape_words((16_777_216,)), shape_words((512, 768))
    ('16,777,216', '512 x 768')
    """
    return f"{shape[0]:,}" if len(shape) == 1 else format_sizes(shape)


def _room() -> float:
    last = max(caches().values(), default=_USUAL_CACHE)
    # Inputs, results and truth of all contenders are in memory at once.
    return min(_BEYOND * last, (environment()["memory"] or 1 << 35) / 32)


def _flat(most: float) -> list[Shape]:
    return [(_SMALLEST * STEP**power,) for power in range(_rungs(most / _SMALLEST, STEP))]


def _rows(base: Shape, most: float) -> list[Shape]:
    inner = list(base[1:])
    one = max(math.prod(inner), 1)
    upward: list[Shape] = [(STEP**power, *inner) for power in range(_rungs(most / one, STEP))]
    downward: list[Shape] = []
    for place in range(len(inner)):
        smallest = _SMALLEST / STEP if place == len(inner) - 1 else 1
        while inner[place] / STEP >= smallest:
            inner[place] //= STEP
            downward.append((1, *inner))
        if place < len(inner) - 1:
            inner[place] = 1
    return [*reversed(downward), *upward]


def _proportional(base: Shape, largest: float) -> list[Shape]:
    mean = MATRICES.size(base)
    sizes = [8 * 2**power for power in range(_rungs(largest / 8, 2))]
    return [tuple(_whole(side * size / mean) for side in base) for size in sizes]


def _whole(side: float) -> int:
    """Return a side as a whole number; of longer ones a multiple of 8, as people choose them."""
    return 8 * round(side / 8) if side >= 32 else max(1, round(side))


def _rungs(range_: float, step: int) -> int:
    return max(1, round(math.log(max(range_, 1), step)) + 1)
