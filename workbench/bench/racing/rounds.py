"""The rounds of a race: in each all contenders take a turn, in a new order, in the same place and on the same values.

A round in which a thread waited for a core is none of a contender's doing only if others had that core: a library may
also start more threads than there are cores, and let them wait for each other.

They go on until the intervals are narrow or the time is up. That a race stops by the width of its intervals, and not by
what lies in them, leaves their meaning alone.
"""

from __future__ import annotations

import time
from itertools import combinations, compress, repeat
from typing import Literal

import numpy as np

from workbench.bench.environment import Watch
from workbench.bench.progress import Reporter
from workbench.bench.statistics import speedup

from .clock import TRIES, WARM_UP, Clock
from .clock import now as nanoseconds
from .course import Course
from .runner import Runner

MIN_ROUNDS = 7
_LOOKED_AT = 1.25
"""How many times as many rounds are done until the intervals are looked at again, which takes a millisecond each."""


class Rounds:
    """Runs them.

    Parameters
    ----------
    runners
        Prepared and checked.
    course, clock, watch
        Of the race.
    rng
        Draws the orders.

    Attributes
    ----------
    stopped
        Why there are no more.
    crowded
        How many of the rounds that count had a thread that waited for a core which others had.
    dropped
        How many such rounds do not count, since there are enough others.
    pace
        By what share the time of a fixed piece of work varied, from its first quartile to its third: the frequency
        of the processor, mostly.
    """

    def __init__(
        self, runners: list[Runner], course: Course, clock: Clock, watch: Watch, rng: np.random.Generator
    ) -> None:
        self.stopped: Literal["interval", "budget", "rounds"] = "budget"
        self.crowded = self.dropped = 0
        self.pace = 0.0
        self._runners, self._course, self._clock, self._rng = runners, course, clock, rng
        self._watch = watch
        self._alone: list[bool] = []
        self._paces: list[float] = []

    def run(self, *, budget: float, rounds: int | None, interval: float, report: Reporter) -> None:
        """Run as many as the budget allows or are asked for, and drop those that do not count.

        Parameters
        ----------
        budget
            Seconds.
        rounds
            Exactly so many, whatever the time; None for as many as fit.
        interval
            Half the width of the 95 % intervals of all ratios, as a share, at which to stop; 0 never stops early.
        report
            Told whose turn it is.
        """
        start = time.perf_counter()
        wanted, look = rounds or MIN_ROUNDS, 2 * MIN_ROUNDS
        # Beside a busy program the fewest rounds must not take many times the budget.
        tries = max(1, min(TRIES, int(budget / (MIN_ROUNDS * len(self._runners) * WARM_UP))))
        while (done := len(self._alone)) < wanted:
            turn, alone = self._course.turn(), True
            for place in self._rng.permutation(len(self._runners)):
                runner = self._runners[int(place)]
                report.turn(runner.name, done, wanted, time.perf_counter() - start)
                runner.fresh(turn)
                runner.run(self._clock, 1 if self._watch.alone else tries)
                alone = alone and self._clock.alone
                runner.inspect(self._clock)
            self._alone.append(alone)
            self._paces.append(_pace())
            if rounds is None:
                wanted = max(MIN_ROUNDS, int(budget / ((time.perf_counter() - start) / (done + 1))))
            if interval and rounds is None and done >= look:
                look = int(done * _LOOKED_AT)
                if self._narrow(interval):
                    self.stopped = "interval"
                    break
        if rounds is not None:
            self.stopped = "rounds"
        self._drop()
        self.pace = float(np.subtract(*np.percentile(self._paces, (75, 25))) / np.median(self._paces))

    def _narrow(self, interval: float) -> bool:
        """Tell whether all ratios are known well enough."""
        times = [self._of_those_that_count(runner.seconds) for runner in self._runners]
        ratios = (speedup(one, other) for one, other in combinations(times, 2))
        return all(ratio.high - ratio.low <= 2 * interval * ratio.value for ratio in ratios)

    @property
    def _counting(self) -> list[bool]:
        """Those in which nobody waited for others, if there are enough, else all."""
        all_count = self._watch.alone or sum(self._alone) < MIN_ROUNDS
        return [True] * len(self._alone) if all_count else self._alone

    def _of_those_that_count(self, seconds: list[float]) -> list[float]:
        return list(compress(seconds, self._counting))

    def _drop(self) -> None:
        counting = self._counting
        self.dropped = counting.count(False)
        self.crowded = 0 if self._watch.alone else list(compress(self._alone, counting)).count(False)
        for runner in self._runners:
            runner.seconds = self._of_those_that_count(runner.seconds)


def _pace() -> float:
    """Return the nanoseconds of a fixed piece of work: 20 us of counting."""
    times = []
    for _ in range(3):
        begin = nanoseconds()
        for _ in repeat(None, 2000):
            pass
        times.append(nanoseconds() - begin)
    return float(min(times))
