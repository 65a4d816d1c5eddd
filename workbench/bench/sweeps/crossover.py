"""From which size on the other one is faster: where the ratio of two contenders crosses 1, and how sure that is.

Between neighbouring sizes the logarithm of the ratio is taken to be linear in the logarithm of the size. The interval
comes from a bootstrap: the rounds of each size are drawn anew, which gives other medians and with them other crossings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from workbench.bench.race import Race, Ratio
from workbench.bench.statistics import speedup, tail

_DRAWS = 2_000
_SEED = 20_241_120

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Crossover:
    """A size at which the winner of two changes.

    Parameters
    ----------
    dtype
        In which this is so.
    under, over
        Who is faster at smaller sizes, and who at larger ones.
    size
        Where both take the same time, interpolated.
    low, high
        Its 95 % interval.
    undecided
        Whether there are measured sizes in between at which the interval of the ratio contains 1.
    """

    dtype: str
    under: str
    over: str
    size: float
    low: float
    high: float
    undecided: bool


@dataclass(frozen=True)
class Stretch:
    """Neighbouring sizes at which the same one of two is faster.

    Parameters
    ----------
    winner
        Who; None where the intervals of the ratios contain 1.
    first, last
        The smallest and the largest of these sizes.
    most
        How many times faster the winner is at the most; 1 if there is none.
    """

    winner: str | None
    first: float
    last: float
    most: float


@dataclass(frozen=True)
class Duel:
    """Two contenders over size.

    Parameters
    ----------
    dtype
        Of the races.
    one, other
        Their names.
    sizes
        Where both were right, ascending.
    ratios
        How many times faster ``one`` is than ``other`` at each size.
    logs
        Natural logarithms of the ratio in each round, for each size.
    """

    dtype: str
    one: str
    other: str
    sizes: tuple[float, ...]
    ratios: tuple[Ratio, ...]
    logs: tuple[Array, ...]

    @property
    def winners(self) -> list[str | None]:
        """Who is faster at each size; None where the interval contains 1."""
        return [self.one if ratio.low > 1 else self.other if ratio.high < 1 else None for ratio in self.ratios]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The sizes in groups of the same winner.

        Sizes where none is told apart belong to the winner who has those on both sides of them.
        """
        found: list[Stretch] = []
        for winner, group in groupby(self._smoothed(), key=lambda item: item[0]):
            places = [place for _, place in group]
            found.append(Stretch(winner, self.sizes[places[0]], self.sizes[places[-1]], self._most(winner, places)))
        return tuple(found)

    @property
    def crossovers(self) -> tuple[Crossover, ...]:
        """Each change of the winner, ascending."""
        decided = [(winner, place) for winner, place in self._smoothed() if winner is not None]
        return tuple(
            self._crossover(under, over, first, last)
            for (under, first), (over, last) in pairwise(decided)
            if under != over
        )

    def _smoothed(self) -> list[tuple[str | None, int]]:
        winners = self.winners
        decided = [place for place, winner in enumerate(winners) if winner is not None]
        for left, right in pairwise(decided):
            if winners[left] == winners[right]:
                winners[left:right] = [winners[left]] * (right - left)
        return [(winner, place) for place, winner in enumerate(winners)]

    def _most(self, winner: str | None, places: Sequence[int]) -> float:
        if winner is None:
            return 1.0
        values = [self.ratios[place].value for place in places]
        return max(values) if winner == self.one else 1 / min(values)

    def _crossover(self, under: str, over: str, first: int, last: int) -> Crossover:
        """Return the crossing between two neighbouring places where it is decided who is faster."""
        within = slice(first, last + 1)
        sizes, logs = np.log(self.sizes[within]), self.logs[within]
        falling = 1 if under == self.one else -1
        middle = falling * np.array([[np.median(each) for each in logs]])
        drawn = falling * np.stack([_medians(each, place) for place, each in enumerate(logs)], axis=1)
        low, high = _crossings(sizes, middle)
        size = float(low[0] + high[0]) / 2
        cut = tail(min(map(len, logs)))
        lows, highs = _crossings(sizes, drawn)
        low, high = np.quantile(lows, cut), np.quantile(highs, 1 - cut)
        return Crossover(
            dtype=self.dtype,
            under=under,
            over=over,
            size=math.exp(size),
            low=math.exp(min(float(low), size)),
            high=math.exp(max(float(high), size)),
            undecided=last - first > 1,
        )


def duel(one: str, other: str, dtype: str, races: Sequence[tuple[float, Race]]) -> Duel | None:
    """Return two contenders over size, from races by ascending size; None where they never met.

    A race in which one of the two is absent or wrong is left out.
    """
    found = []
    for size, race in races:
        right = {result.contender: result.seconds for result in race.results if result.right}
        if one in right and other in right:
            mine, theirs = right[one], right[other]
            found.append((size, speedup(mine, theirs), np.log(theirs) - np.log(mine)))
    if not found:
        return None
    sizes, ratios, logs = zip(*found, strict=True)
    return Duel(dtype, one, other, sizes, ratios, logs)


def _medians(logs: Array, place: int) -> Array:
    """Return medians of resamples; those of one size are drawn independently of those of the next."""
    rng = np.random.default_rng([_SEED, place])
    drawn: Array = np.median(logs[rng.integers(0, len(logs), (_DRAWS, len(logs)))], axis=1)
    return drawn


def _crossings(x: Array, y: Array) -> tuple[Array, Array]:
    """Return where each row of ``y`` falls to zero for the first time, and where it is at zero for the last time.

    Parameters
    ----------
    x
        Ascending, shape ``(n,)``.
    y
        Shape ``(rows, n)``; linear in between. A row that begins below zero falls at the first ``x``, and one that ends
        above it at the last.
    """
    rows, n = np.arange(len(y)), len(x)
    fallen, standing = y <= 0, y >= 0
    after = np.where(fallen.any(axis=1), fallen.argmax(axis=1), n - 1)
    before = np.where(standing.any(axis=1), n - 1 - standing[:, ::-1].argmax(axis=1), 0)
    return _zero(x, y, np.maximum(after - 1, 0), after, rows), _zero(x, y, before, np.minimum(before + 1, n - 1), rows)


def _zero(x: Array, y: Array, left: Array, right: Array, rows: Array) -> Array:
    """Return where the line between two points of each row is zero; its right end if it lies above, else the left."""
    a, b = y[rows, left], y[rows, right]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(a == b, 0.0, a / (a - b))
    share = np.where((a > 0) & (b > 0), 1.0, np.where((a < 0) & (b < 0), 0.0, share))
    place: Array = x[left] + share * (x[right] - x[left])
    return place
