"""Two races of the same question at different times: what got slower, by how much, and whether that is sure.

Samples of two runs are not paired, and two runs an hour apart differ by more than their samples show: the clock of the
processor, the neighbours on the host, where the arrays happen to lie. What slows the whole machine slows a contender
that has not changed as well. So where one raced in both runs, in the same version, it is the yardstick: what is
compared is the time beside its time in the same round, and the machine cancels. Without one the times are compared.

A change is a regression if its whole interval lies beyond what is allowed. The interval knows the samples only; what a
new process changes for one contender and not for the other is one or two percent, and the allowance is there for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.bench.place import machine
from workbench.bench.race import Race, Ratio, Result
from workbench.bench.statistics import change
from workbench.bench.verdict import spelled
from workbench.errors import InputError
from workbench.text import decimals, format_seconds, format_sizes

from .history import changed, libraries

OURS = "numba"
ALLOW = 0.05


@dataclass(frozen=True)
class Change:
    """How one contender's time changed from one race to another.

    Parameters
    ----------
    contender
        Its name.
    before, now
        Medians, in seconds per call.
    ratio
        How many times as long it takes now, with its 95 % interval: beside the yardstick, if there is one.
    yardstick
        The contender that it was measured by; empty where the times themselves are compared.
    allowed
        What it may be slower, 0.05 for 5 %.
    fault
        What is wrong with its result now and was not before, in words that follow its name; empty if nothing is.
    """

    contender: str
    before: float
    now: float
    ratio: Ratio
    yardstick: str
    allowed: float
    fault: str = ""

    @property
    def regression(self) -> bool:
        """Whether it is surely slower than allowed, or wrong now."""
        return bool(self.fault) or self.ratio.low > 1 + self.allowed

    @property
    def undecided(self) -> bool:
        """Whether it may be slower than allowed, or not: the interval is too wide to tell."""
        return not self.regression and self.ratio.high > 1 + self.allowed

    @property
    def improvement(self) -> bool:
        """Whether it is surely faster by more than it might be slower."""
        return not self.fault and self.ratio.high < 1 / (1 + self.allowed)

    def __str__(self) -> str:
        """Return one sentence."""
        name, allowed = spelled(self.contender), f"the allowed {100 * self.allowed:g} %"
        if self.fault:
            return f"{name} {self.fault}, and was right before."
        times = f"{format_seconds(self.now)}, before {format_seconds(self.before)}"
        beside = f" beside {spelled(self.yardstick)}" if self.yardstick else ""
        size = f"{_slower(self.ratio.value)} than before{beside} (95 % interval {_ends(self.ratio)})"
        if self.regression:
            return f"{name} got slower: {size}, more than {allowed}; {times}."
        if self.improvement:
            return f"{name} got faster: {size}; {times}."
        if self.undecided:
            return f"{name}: {size}, which reaches beyond {allowed} and decides nothing; {times}."
        return f"{name}: {size}, within {allowed}; {times}."


@dataclass(frozen=True)
class Against:
    """A race compared with an earlier one.

    Parameters
    ----------
    baseline
        What it was compared with, in words, such as ``"run 12 of 2026-11-20 15:40"``.
    changes
        One of each contender that ran in both.
    notes
        What else is different: the machine, libraries, the load, who ran.
    """

    baseline: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Those that are surely slower than allowed, or wrong now."""
        return tuple(one for one in self.changes if one.regression)

    def __str__(self) -> str:
        """Return the verdict, a line for each contender and for each note."""
        slower = [spelled(one.contender) for one in self.regressions]
        verdict = f"{' and '.join(slower)} got worse" if slower else "nothing got slower than allowed"
        if not slower and (open_ := [spelled(one.contender) for one in self.changes if one.undecided]):
            verdict = f"nothing surely got slower than allowed; of {' and '.join(open_)} a longer --budget would tell"
        return "\n".join([f"Against {self.baseline}: {verdict}.", *map(str, self.changes), *self.notes])


def against(now: Race, before: Race, *, allow: float = ALLOW, baseline: str = "the earlier race") -> Against:
    """Compare a race with an earlier one of the same question.

    Parameters
    ----------
    now, before
        The races.
    allow
        By which share a contender may be slower; 0.05 for 5 %.
    baseline
        What ``before`` is called.

    Raises
    ------
    workbench.errors.InputError
        If they asked different questions, or nobody ran in both.
    """
    if not 0 <= allow < math.inf:
        raise InputError(f"What is allowed is a share of 0 or more, such as 5%; got {allow!r}.")
    ours, theirs = _question(now), _question(before)
    if ours != theirs:
        raise InputError(f"Only the same question can be compared: this race is {ours}, {baseline} is {theirs}.")
    both = [result.contender for result in now.results if any(r.contender == result.contender for r in before.results)]
    if not both:
        raise InputError(
            f"No contender ran in this race and in {baseline}: now {_names(now)}, then {_names(before)}. Name them "
            "with --contenders."
        )
    changes = [_change(name, now, before, _yardstick(name, now, before, both), allow) for name in both]
    return Against(baseline, tuple(changes), tuple(_notes(now, before, both)))


def _change(name: str, now: Race, before: Race, yardstick: str, allow: float) -> Change:
    new, old = now[name], before[name]
    ratio = change(_beside(before, name, yardstick), _beside(now, name, yardstick))
    fault = new.fault or "is wrong" if old.right and not new.right else ""
    return Change(name, old.median, new.median, ratio, yardstick, allow, fault)


def _beside(race: Race, name: str, yardstick: str) -> Sequence[float]:
    """Return the seconds of a contender, round by round over those of its yardstick."""
    seconds = np.asarray(race[name].seconds)
    return list(seconds / np.asarray(race[yardstick].seconds)) if yardstick else list(seconds)


def _yardstick(name: str, now: Race, before: Race, both: Sequence[str]) -> str:
    """Return who did not change: the reference of functions, else NumPy, else another library; ours is never one."""
    reference = str(now.conditions.get("truth", "")).removesuffix(" in float64")
    for other in (reference, "numpy", *sorted(both)):
        if other in both and other not in (name, OURS) and _same(now[other], before[other], own=other == reference):
            return other
    return ""


def _same(new: Result, old: Result, *, own: bool) -> bool:
    """Tell whether a contender is the same in both runs; of a user's function that is not known, and it is trusted."""
    return new.right and old.right and new.version == old.version and bool(new.version or own)


def _notes(now: Race, before: Race, both: Sequence[str]) -> list[str]:
    notes = []
    if machine(now.environment) != machine(before.environment):
        here, there = (race.environment.get("cpu", "an unknown CPU") for race in (now, before))
        notes.append(f"Another machine: {here}, then {there}. Times of two machines say little about a change.")
    if news := changed(libraries(before), libraries(now)):
        notes.append(f"Changed since then: {', '.join(news)}.")
    for race, when in ((now, "Now"), (before, "Then")):
        if race.conditions.get("disturbed"):
            notes.append(f"{when} other programs took part of the machine.")
        alone = [r.contender for r in race.results if r.contender not in both]
        if alone:
            notes.append(f"Only {when.lower()}: {', '.join(map(spelled, alone))}.")
    return notes


def _question(race: Race) -> str:
    cache = race.conditions.get("cache", "warm")
    out = "out=" if race.conditions.get("out") else "new result"
    where = f" of the {race.conditions['device']}" if "device" in race.conditions else ""
    return f"{race.op} {format_sizes(race.shape)} {race.dtype}, {out}, {cache} cache{where}"


def _names(race: Race) -> str:
    return ", ".join(result.contender for result in race.results)


def _slower(ratio: float) -> str:
    """Write a ratio of times in words.

    >>> _slower(1.123), _slower(0.98), _slower(3.0), _slower(1.0)
    ('12.3 % slower', '2.00 % faster', '3.00 times as slow', '0.00 % slower')
    """
    if ratio >= 2:
        return f"{ratio:.{decimals(ratio)}f} times as slow"
    if ratio <= 0.5:
        return f"{1 / ratio:.{decimals(1 / ratio)}f} times as fast"
    percent = 100 * abs(ratio - 1)
    return f"{percent:.{decimals(percent)}f} % {'faster' if ratio < 1 else 'slower'}"


def _ends(ratio: Ratio) -> str:
    return f"{_slower(ratio.low)} to {_slower(ratio.high)}" if math.isfinite(ratio.high) else "unknown, of one round"
