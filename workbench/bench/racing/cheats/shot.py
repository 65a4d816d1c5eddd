"""A shot of a result: what stood in it at the moment of the return, all of it or, where it is large, random parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.bench.racing import check
from workbench.bench.racing.check import Array, Finding
from workbench.bench.racing.far import Far
from workbench.bench.racing.questions import Question

WHOLE = 1 << 14
"""Elements up to which a shot has all."""
_BLOCKS, _BLOCK = 8, 1 << 10


@dataclass(frozen=True)
class Window:
    """Which elements of an array are looked at: slices of the flat array, or all if there are none."""

    slices: tuple[slice, ...] = ()

    @classmethod
    def draw(cls, size: int, rng: np.random.Generator) -> Window:
        """Return all of a small array, and of a large one random blocks and both ends."""
        if size <= WHOLE:
            return cls()
        starts = [0, size - _BLOCK, *rng.integers(size - _BLOCK, size=_BLOCKS - 2).tolist()]
        return cls(tuple(slice(start, start + _BLOCK) for start in starts))

    def copy(self, array: Array | Far) -> Array:
        """Return a copy of the elements, flat."""
        if isinstance(array, Far):
            return array.parts(self.slices)
        if not self.slices:
            return array.flatten()
        flat: Any = array.reshape(-1) if array.flags.c_contiguous else array.flat
        return np.concatenate([flat[each] for each in self.slices])

    def poison(self, array: Array | Far) -> None:
        """Fill the elements with what no right result contains."""
        if isinstance(array, Far):
            if (value := check.poison_of(array.dtype)) is not None:
                array.fill(self.slices, value)
            return
        if not self.slices:
            check.poison(array)
            return
        flat: Any = array.reshape(-1) if array.flags.c_contiguous else array.flat
        for each in self.slices:
            flat[each] = check.poison_of(array.dtype)


@dataclass(frozen=True)
class Shot:
    """What a call had returned, and had written, when it returned.

    Parameters
    ----------
    arrays
        The result's arrays, as they are now; those of a GPU are fetched when they are needed.
    pieces
        What stood in them at the return.
    written
        What stood in ``out=`` then; empty if there is none.
    kinds
        The arrays' dtypes, and what they are if they are no arrays.
    seconds
        Of the call.
    """

    arrays: tuple[Any, ...]
    pieces: tuple[Array, ...]
    written: tuple[Array, ...]
    kinds: tuple[check.Leaf, ...]
    seconds: float = 0.0

    @classmethod
    def take(cls, result: Any, out: Any, windows: Sequence[Window]) -> Shot:
        """Return the shot of a result; the windows are those of the arrays that are expected."""
        kinds = tuple(check.typed_leaves(result))
        arrays = tuple(leaf.array for leaf in kinds)
        fit = len(arrays) == len(windows)
        pieces = tuple(window.copy(array) for window, array in zip(windows, arrays, strict=False)) if fit else ()
        buffers = check.leaves(out) if out is not None else []
        written = tuple(window.copy(array) for window, array in zip(windows, buffers, strict=False))
        return cls(arrays, pieces, written, kinds)

    def judged(self, question: Question, windows: Sequence[Window], truth: Any = None) -> Finding:
        """Compare the pieces with those of the truth; what was written too, and named so."""
        due = check.leaves(question.truth if truth is None else truth)
        shapes = [array.shape for array in due]
        if [array.shape for array in self.arrays] != shapes:
            return check.compare_results(self.arrays, tuple(due), question.tolerance)
        expected = tuple(window.copy(array) for window, array in zip(windows, due, strict=True))
        if self.written:
            # A function may return a right array and leave the buffer that it was given unwritten.
            if missing := unwritten(self.written, expected):
                return Finding(math.inf, missing)
            found = check.compare_results(self.written, expected, question.tolerance)
            if found.fault:
                return Finding(found.error, f"{found.fault} of its out=")
        return check.compare_results(self.pieces, expected, question.tolerance)

    def is_now(self, windows: Sequence[Window]) -> bool:
        """Tell whether the arrays still hold what they did at the return."""
        now = [window.copy(array) for window, array in zip(windows, self.arrays, strict=False)]
        return all(map(check.same_bits, now, self.pieces))

    def same_as(self, other: Shot) -> bool:
        """Tell whether two shots show the same bits."""
        return len(self.pieces) == len(other.pieces) and all(map(check.same_bits, self.pieces, other.pieces))


def unwritten(written: Sequence[Array], expected: Sequence[Array]) -> str:
    """Return in words how much of ``out=`` still holds the poison; empty if none does."""
    left = total = 0
    for array, truth in zip(written, expected, strict=True):
        poison = check.poison_of(array.dtype)
        if poison is None:
            continue
        same = np.isnan(array) & ~np.isnan(truth) if array.dtype.kind in "fc" else (array == poison) & (truth != poison)
        left, total = left + int(np.count_nonzero(same)), total + array.size
    return f"leaves {check.percent(left / total)} of its out= unwritten" if left else ""
