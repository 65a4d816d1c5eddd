"""Where a race stands: what a progress bar, a widget or a terminal shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_REPORTS_APART = 0.25  # seconds; whoever draws them needs a core for a moment, and the race needs all of them

Stage = Literal["preparing", "checking", "racing"]


@dataclass(frozen=True)
class Progress:
    """One report of a running race.

    Parameters
    ----------
    stage
        ``"preparing"`` (inputs, sessions, first calls), ``"checking"`` (results against the truth) or ``"racing"``.
    contender
        Whose turn it is; None between them.
    round, rounds
        The running round, from 1, and how many there will be as far as is known; both 0 before the race.
    seconds_left
        Estimate of what the race still takes, seconds.
    """

    stage: Stage
    contender: str | None
    round: int
    rounds: int
    seconds_left: float

    @property
    def fraction(self) -> float:
        """Share of the rounds that are done, 0 to 1."""
        return min(1.0, max(self.round - 1, 0) / self.rounds) if self.rounds else 0.0

    def __str__(self) -> str:
        """Return one line, such as ``round 16 of 25 · 4 s left``.

        >>> print(Progress("racing", "numba", 16, 25, 3.6))
        round 16 of 25 · 4 s left
        >>> print(Progress("checking", "torch", 0, 0, 3.0))
        checking torch
        """
        if self.stage == "racing":
            return f"round {self.round} of {self.rounds} · {self.seconds_left:.0f} s left"
        return f"{self.stage} {self.contender}" if self.contender else self.stage


@dataclass(frozen=True)
class SuiteProgress:
    """Where a suite stands.

    Parameters
    ----------
    done, planned
        Cells.
    what
        What is going on, in words.
    seconds_left
        Estimate; None before the first cell is done.
    """

    done: int
    planned: int
    what: str
    seconds_left: float | None

    @property
    def fraction(self) -> float:
        """Share of the cells that are done, 0 to 1."""
        return self.done / self.planned if self.planned else 1.0

    def __str__(self) -> str:
        """Return one line.

        >>> print(SuiteProgress(3, 160, "softmax 8 x 64 float32, out=: checking jax", 600.0))
        3 of 160 · about 10 min left · softmax 8 x 64 float32, out=: checking jax
        """
        left = "" if self.seconds_left is None else f" · about {max(self.seconds_left / 60, 1):.0f} min left"
        return f"{self.done} of {self.planned}{left} · {self.what}"


Report = Callable[[Progress], object]
"""What ``progress=`` takes: it is called with each :class:`Progress`, a few times a second."""


class Reporter:
    """Hands out progress, seldom enough not to disturb what it reports on."""

    def __init__(self, progress: Report | None, budget: float) -> None:
        self._progress = progress
        self._budget = budget
        self._last = -float("inf")

    def step(self, stage: Stage, contender: str | None) -> None:
        """Report what happens before and after the rounds."""
        if self._progress is not None:
            self._progress(Progress(stage, contender, 0, 0, self._budget))

    def turn(self, contender: str, done: int, wanted: int, elapsed: float) -> None:
        """Report whose turn it is, ``elapsed`` seconds after the first of the ``wanted`` rounds began."""
        now = time.perf_counter()
        if self._progress is None or now - self._last < _REPORTS_APART:
            return
        self._last = now
        left = elapsed / done * (wanted - done) if done else max(self._budget - elapsed, 0.0)
        self._progress(Progress("racing", contender, done + 1, wanted, left))
