"""The times of a verdict: all candidates in turns, in a new random order each round, by the clock of the races."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from workbench.bench.contenders.entry import Entry
from workbench.bench.racing.clock import Clock
from workbench.models.export.step import Report, Step

ROUNDS = 7
"""At least."""
_TRIES = 2
"""How often a sample is taken at the most, until no thread had to wait for a core."""
_FEWEST = 4
"""Texts in a call that has several, if there are as many."""
_WARMED = 2
"""A sample runs a call twice: once to warm up."""


@dataclass
class Question:
    """What is timed: some texts in one call.

    Parameters
    ----------
    what
        ``"together"`` or ``"alone"``.
    given
        What the call takes.
    texts
        How many there are.
    seconds
        Of a call, by candidate, a sample for each round.
    """

    what: str
    given: Any
    texts: int
    seconds: dict[str, list[float]] = field(default_factory=dict)


class Turns:
    """Takes the times.

    Parameters
    ----------
    calls
        Of the candidates, by name.
    texts
        All texts.
    seed
        Of the order.

    Attributes
    ----------
    questions
        What was timed.
    rounds
        How many there were.
    crowded
        Whether threads waited for a core in more than a tenth of the samples.
    """

    method = (
        "in turns, random order; before each sample all threads asleep and a call to warm up; a sample of at least "
        "1 ms, again if a thread waited for a core; ratios by round, bootstrap"
    )

    def __init__(self, calls: Mapping[str, Callable[[Any], Any]], texts: Sequence[Any], seed: int) -> None:
        self.questions: list[Question] = []
        self.rounds, self.crowded = 0, False
        self._calls, self._texts = calls, texts
        self._rng = np.random.default_rng(seed)

    def run(self, budget: float, slowest: float, report: Report) -> None:
        """Run rounds for so many seconds, and at least :data:`ROUNDS`.

        Parameters
        ----------
        budget
            Seconds.
        slowest
            Seconds in which the slowest candidate answers all texts.
        report
            Told after each turn.
        """
        by_length = sorted(self._texts, key=_characters)
        share = budget / (ROUNDS * _WARMED * len(self._calls)) / max(slowest, 1e-9)
        count = min(len(by_length), max(_FEWEST, int(len(by_length) * share)))
        some = [by_length[place] for place in np.linspace(0, len(by_length) - 1, count).round().astype(int)]
        self.questions = [Question("together", some, count)] if count > 1 else []
        self.questions.append(Question("alone", by_length[len(by_length) // 2], 1))
        self._run(budget, report)

    def _run(self, budget: float, report: Report) -> None:
        clock, waited = Clock(), 0
        entries = [
            (question, name, Entry(partial(call, question.given), ()))
            for question in self.questions
            for name, call in self._calls.items()
        ]
        calls = [clock.calibrate(entry)[0] for _, _, entry in entries]
        begin = time.perf_counter()
        while self.rounds < ROUNDS or time.perf_counter() - begin < budget:
            for place in self._rng.permutation(len(entries)).tolist():
                question, name, entry = entries[place]
                done = max((time.perf_counter() - begin) / budget if budget else 0.0, self.rounds / ROUNDS * 0.5)
                report(Step(f"round {self.rounds + 1}, {name}", min(done, 0.99)))
                question.seconds.setdefault(name, []).append(clock.sample(entry, calls[place], tries=_TRIES))
                waited += not clock.alone
            self.rounds += 1
        self.crowded = clock.counts_waiting and waited > self.rounds * len(entries) / 10


def _characters(text: Any) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))
