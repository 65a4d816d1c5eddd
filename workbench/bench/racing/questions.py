"""What is asked in a race: values of the inputs and the right answer to them; new values from round to round.

Values change in two ways. A *question* has values of its own, and an answer of its own that a remembered one is told
apart from. And between rounds a few elements of each float input are *stirred*: moved by the last bit or so, which no
answer tells within its tolerance, but which leaves no content that was seen before. Neither touches what a function may
rely on as far as that can be known: integers stay (also those that are stored as floats), as do zeros, signs, NaN and
infinities, and no number crosses an integer, so that an index or a limit such as 0 or 1 keeps its meaning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Tolerance

from .memory import Array, floats, own_copies

STIRRED = 4
"""Elements of each float input that are stirred."""
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Change:
    """Elements that were stirred: of which float input, where, and what stood and stands there."""

    place: int
    index: tuple[Array, ...]
    old: Array
    new: Array


class Question:
    """Values of the inputs, and the right answer.

    Parameters
    ----------
    inputs
        The values; they belong to this question, which stirs them.
    answer
        ``answer(inputs)`` computes the truth.
    allowed
        ``allowed(truth)`` is how far a right result may be from it.
    strict
        Whether a wrong answer is a fault for sure. Where we changed the values of a user's function ourselves, it may
        rely on something that we do not know, and only an answer to *other* values counts against it.
    truth
        The answer, if it is there already.
    """

    def __init__(
        self,
        inputs: Inputs,
        answer: Callable[[Inputs], Any],
        allowed: Callable[[Any], Tolerance],
        *,
        strict: bool,
        truth: Any = None,
    ) -> None:
        self.inputs = inputs
        self.strict = strict
        self.version = 0
        self.stirred: list[Change] = []
        self._log: deque[tuple[int, list[Change]]] = deque(maxlen=8)
        self._answer = answer
        self._allowed = allowed
        self._truth = truth
        self._tolerance: Tolerance | None = None
        self._fixed: frozenset[str] = frozenset()

    def like(self, inputs: Inputs, *, strict: bool) -> Question:
        """Return the question of other inputs, answered in the same way."""
        return Question(inputs, self._answer, self._allowed, strict=strict)

    @property
    def truth(self) -> Any:
        """The right answer to the values as they were before any stirring; computed when it is first asked for."""
        if self._truth is None:
            self.restore()
            self._truth = self._answer(own_copies(self.inputs))
        return self._truth

    @property
    def answered(self) -> bool:
        """Whether the right answer is there without computing it."""
        return self._truth is not None

    @property
    def tolerance(self) -> Tolerance:
        """How far a right result may be from the truth."""
        if self._tolerance is None:
            self._tolerance = self._allowed(self.truth)
        return self._tolerance

    def truth_now(self) -> Any:
        """Return the right answer to the values as they are stirred now."""
        return self._answer(own_copies(self.inputs))

    def stir(self, rng: np.random.Generator, fixed: frozenset[str], *, reach: int = 1) -> bool:
        """Move a few elements of each float input by at most ``reach`` units in the last place, toward zero.

        Returns whether anything could be moved.
        """
        self.restore()
        changes = []
        for place, array in enumerate(floats(self.inputs, fixed)):
            if array.size:
                positions = rng.integers(array.size, size=min(STIRRED, array.size))
                index = np.unravel_index(np.unique(positions), array.shape)
                old = array[index]
                changes.append(Change(place, index, old, _nearby(old, rng, reach)))
        self.put(changes, fixed)
        return any(np.any(change.old != change.new) for change in changes)

    def put(self, changes: list[Change], fixed: frozenset[str]) -> None:
        """Undo the stirring, and stir in the given way, which was that of this question once."""
        self.restore()
        self.stirred, self._fixed = changes, fixed
        self._write(changes, back=False)

    def restore(self) -> None:
        """Undo the stirring."""
        changes, self.stirred = self.stirred, []
        if changes:
            self._write(changes, back=True)

    def since(self, version: int) -> list[Change] | None:
        """Return what was changed since a version; None if that is forgotten."""
        known = [changes for at, changes in self._log if at > version]
        return [change for changes in known for change in changes] if len(known) == self.version - version else None

    def _write(self, changes: list[Change], *, back: bool) -> None:
        places = floats(self.inputs, self._fixed)
        for change in changes:
            places[change.place][change.index] = change.old if back else change.new
        self.version += 1
        self._log.append((self.version, changes))


def bent(inputs: Inputs, fixed: frozenset[str]) -> Inputs | None:
    """Return inputs with other values in the same order and between the same integers; None if none can change.

    The part ``f`` of a number behind its point becomes ``f * (0.8 + 0.2 * f)``, which rises from 0 to 1 as ``f`` does.
    """
    other = own_copies(inputs)
    arrays = floats(other, fixed)
    moved = [_bend(array) for array in arrays]
    return other if any(moved) else None


def _bend(array: Array) -> bool:
    moved = False
    whole = array.reshape(-1) if array.flags.c_contiguous else None
    for start in range(0, array.size, _BLOCK):
        values = whole[start : start + _BLOCK] if whole is not None else array.flat[start : start + _BLOCK]
        with np.errstate(invalid="ignore", under="ignore"):
            point = np.trunc(values)
            behind = np.abs(values - point)
            new = point + np.copysign(behind * (0.8 + 0.2 * behind), values)
            new = new.astype(array.dtype, copy=False)
            kept = ~np.isfinite(values) | (behind == 0) | (np.trunc(new) != point) | (new == point)
        new[kept] = values[kept]
        moved = moved or bool(np.any(new[~kept] != values[~kept]))
        if whole is not None:
            whole[start : start + _BLOCK] = new
        else:
            array.flat[start : start + _BLOCK] = new
    return moved


def _nearby(values: Array, rng: np.random.Generator, reach: int) -> Array:
    """Return values up to ``reach`` units in the last place nearer to zero; what is special stays as it is."""
    size = values.dtype.itemsize
    reach = reach if size > 2 else min(reach, 3)  # of a float16, a thousand would be all there is
    steps = rng.integers(1, reach + 1, size=values.shape).astype(f"u{size}")
    near = (values.view(f"u{size}") - steps).view(values.dtype)
    with np.errstate(invalid="ignore"):
        point = np.trunc(values)
        normal = np.abs(values) > np.finfo(values.dtype).tiny * 4
        special = ~np.isfinite(values) | ~normal | (values == point) | (np.trunc(near) != point) | (near == point)
    return np.where(special, values, near)
