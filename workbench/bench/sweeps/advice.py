"""A sweep in words: whom to use at which size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from workbench.bench.verdict import spelled

from .crossover import Crossover, Duel, Stretch
from .sizes import Axis

if TYPE_CHECKING:
    from .swept import Sweep


def recommendation(sweep: Sweep) -> str:
    """Return whom to use at which size, in each dtype, and where another one is faster still.

    ``Under 700 elements use NumPy; from there on numba is up to 17 times faster.``
    """
    return " ".join([*answer(sweep), *remarks(sweep)])


def answer(sweep: Sweep) -> list[str]:
    """Return a sentence for each dtype and main pair: ours or NumPy."""
    several = len(sweep.dtypes) > 1
    found = []
    for dtype in sweep.dtypes:
        told = [duel_in_words(duel, sweep.axis) for duel in sweep.main_duels(dtype)]
        found += [_after(f"In {dtype}", text) if several and not place else text for place, text in enumerate(told)]
    return found or [_lonely(sweep)]


def remarks(sweep: Sweep) -> list[str]:
    """Return the :func:`warnings`, and a sentence for each further contender that is faster than ours somewhere."""
    several = len(sweep.dtypes) > 1
    found = []
    for dtype in sweep.dtypes:
        for duel in sweep.side_duels(dtype):
            if any(stretch.winner == duel.other for stretch in duel.stretches):
                beside = f"Beside {spelled(duel.other)}{f' in {dtype}' if several else ''}"
                found.append(_after(beside, duel_in_words(duel, sweep.axis)))
    return [*warnings(sweep), *found]


def warnings(sweep: Sweep) -> list[str]:
    """Return a sentence for each contender that is wrong somewhere, and one if other programs disturbed."""
    disturbed = sum(bool(race.conditions.get("disturbed")) for race in sweep.races)
    told = (
        f"Other programs took part of the machine at {disturbed} of {len(sweep.races)} sizes, so repeat it when they "
        "rest."
    )
    return [*_wrong(sweep), *([told] if disturbed else [])]


def duel_in_words(duel: Duel, axis: Axis) -> str:
    """Return one sentence: who of two is faster at which sizes."""
    stretches, alone = _told(duel), len(duel.sizes) == 1
    if len(stretches) > 1:
        return f"{'; '.join(_parts(duel, stretches, axis))}."
    sizes = f"at {axis.words(duel.sizes[0])}" if alone else "at every size measured"
    winner, loser = _both(duel, stretches[0])
    if stretches[0].winner is None:
        return f"There is no difference between {loser} and {winner} {sizes}."
    return f"{winner} is faster than {loser} {sizes}, by {'' if alone else 'up to '}{_times(stretches[0].most)}."


def crossover_in_words(crossover: Crossover, axis: Axis) -> str:
    """Return a crossover and its interval, such as ``710 elements [640, 790]``."""
    low, high = (axis.words(end, unit=False) for end in (crossover.low, crossover.high))
    return f"{axis.words(crossover.size)} [{low}, {high}]"


class _Border(NamedTuple):
    """What lies between two stretches: the sizes up to which and from which on something holds."""

    low: float
    high: float
    gap: bool


def _told(duel: Duel) -> list[Stretch]:
    """Return the stretches without those between two winners, which the crossover speaks of."""
    stretches = duel.stretches
    last = len(stretches) - 1
    return [stretch for place, stretch in enumerate(stretches) if stretch.winner or place in (0, last)]


def _borders(duel: Duel, stretches: list[Stretch]) -> list[_Border]:
    crossovers = iter(duel.crossovers)
    borders = []
    for left, right in pairwise(stretches):
        if left.winner is None or right.winner is None:
            borders.append(_Border(right.first, right.first, gap=False))
        else:
            one = next(crossovers)
            borders.append(_Border(*((one.low, one.high) if one.undecided else (one.size, one.size)), one.undecided))
    return borders


def _parts(duel: Duel, stretches: list[Stretch], axis: Axis) -> Iterator[str]:
    """Yield what is said of each stretch, and of the sizes between two where none is told apart."""
    borders = _borders(duel, stretches)
    for place, stretch in enumerate(stretches):
        winner, _ = _both(duel, stretch)
        if place == 0:
            use = f"use {winner}" if stretch.winner else "there is no difference"
            ours = f", which is up to {_times(stretch.most)} faster" if stretch.winner == duel.one else ""
            yield f"Under {axis.words(borders[0].low)} {use}{ours}"
        else:
            said = f"{winner} is up to {_times(stretch.most)} faster" if stretch.winner else "there is no difference"
            on = place == len(borders)
            start, end = borders[place - 1].high, None if on else borders[place].low
            where = "from there on" if end is None else f"from there to {axis.words(end)}"
            yield f"{where if start < (end or math.inf) else 'then'} {said}"
        if place < len(borders) and borders[place].gap:
            low, high = axis.words(borders[place].low, unit=False), axis.words(borders[place].high)
            yield f"between {low} and {high} there is no difference"


def _after(beginning: str, sentence: str) -> str:
    first = sentence.partition(" ")[0]
    return f"{beginning}: {sentence[0].lower() + sentence[1:] if first in ('Under', 'There') else sentence}"


def _both(duel: Duel, stretch: Stretch) -> tuple[str, str]:
    names = (duel.one, duel.other) if stretch.winner != duel.other else (duel.other, duel.one)
    return spelled(names[0]), spelled(names[1])


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio < 1.095 else f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def _wrong(sweep: Sweep) -> list[str]:
    """Return a sentence for each contender whose result is wrong somewhere."""
    found: dict[str, tuple[str, int]] = {}
    for race in sweep.races:
        for result in race.results:
            if not result.right:
                fault, count = found.get(result.contender, (result.fault, 0))
                found[result.contender] = (fault, count + 1)
    return [
        f"{spelled(name)} {fault}, at {count} of {len(sweep.races)} sizes, and is left out there."
        for name, (fault, count) in found.items()
    ]


def _lonely(sweep: Sweep) -> str:
    names = [spelled(name) for name in sweep.contenders]
    if not names:
        return "Nothing has been measured yet."
    return f"{names[0]} has nobody to be compared with." if len(names) == 1 else "No two of them raced at one size."
