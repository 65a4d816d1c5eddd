"""The course of a race: where the contenders work in each round, and on which values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fused_kernels.catalog import Inputs
from workbench.errors import InputError, RaceError

from . import check
from .cheats.shot import Window
from .cheats.tampering import Guard
from .cold import Cold
from .contest import Contest
from .far_places import STIRRED, far_places
from .memory import size_of
from .places import Place, places
from .questions import Question, bent

_QUESTIONS = 3
"""Questions of a race at the most."""
_AFFORDABLE = 0.1
"""Seconds that the truth of all further questions may take together."""
_ROOM = 64 << 20
"""Bytes that the values of all questions may take together."""


@dataclass(frozen=True)
class Turn:
    """One round: where, on which values, and which elements of the results are looked at."""

    place: Place
    question: Question
    windows: tuple[Window, ...]


class Course:
    """The places and questions of a race, shared by all contenders.

    Parameters
    ----------
    contest
        What is raced.
    out
        Whether there is a buffer to write into.
    rng
        Draws the values of the rounds.
    cold
        Whether the caches are to be cold.

    Attributes
    ----------
    guard
        Watches what no contender may touch.
    fixed
        Names of inputs that are never varied, since a contender has built them in.
    stirs
        Whether inputs are stirred between rounds.
    notes
        What was left out of the checks, and why; in words.
    """

    def __init__(self, contest: Contest, *, out: bool, rng: np.random.Generator, cold: bool = False) -> None:
        self.contest = contest
        self.rng = rng
        slots, device = contest.expected if out else None, contest.device
        self.places = (
            places(contest.first, slots) if device is None else far_places(contest.first, slots, device, contest.kinds)
        )
        # The clock of a device sees to its cache itself.
        self.cold = Cold(contest.first, slots) if cold and device is None else None
        self.fixed: frozenset[str] = frozenset()
        # Of a bfloat16 the last bit of what stands for it is no bit.
        self.stirs = device is None or (not contest.kinds and size_of(contest.inputs) <= STIRRED)
        self.notes: list[str] = []
        self.guard = Guard(contest.watched)
        self._rounds = 0
        self._questions = [contest.first]
        self._other: Question | None = None

    def begin(self, fixed: Iterable[frozenset[str]]) -> None:
        """Make the questions of the rounds, once it is known which inputs are ``fixed`` for whom."""
        self.fixed = frozenset().union(*fixed)
        contest = self.contest
        if contest.fresh is None or contest.truth_seconds * (_QUESTIONS - 1) > _AFFORDABLE:
            return
        if size_of(contest.inputs) * _QUESTIONS > _ROOM:
            return
        for _ in range(_QUESTIONS - 1):
            self._questions.append(self._fresh(strict=True))

    def turn(self) -> Turn:
        """Return the next round: another place, other values."""
        place = self.places[self._rounds % len(self.places)]
        question = self._questions[int(self.rng.integers(len(self._questions)))] if self._rounds else self._questions[0]
        self._rounds += 1
        if self.stirs:
            self.stirs = question.stir(self.rng, self.fixed)
        place.load(question, self.fixed)
        return Turn(place, question, self.windows())

    def plain(self, question: Question | None = None, windows: tuple[Window, ...] | None = None) -> Turn:
        """Return a turn in the first place on values that are not stirred; those of the race by default."""
        question = question or self.contest.first
        question.restore()
        place = self.places[0]
        place.renew(question)
        return Turn(place, question, self.windows() if windows is None else windows)

    def steady(self, why: str) -> None:
        """Stir no more, since somebody cannot help being wrong on stirred values."""
        self.stirs = False
        for question in self._questions:
            question.restore()
        for place in self.places:
            place.refresh()
        if why not in self.notes:
            self.notes.append(why)

    def windows(self) -> tuple[Window, ...]:
        """Draw which elements of the results are looked at."""
        return tuple(Window.draw(leaf.size, self.rng) for leaf in check.leaves(self.contest.first.truth))

    @property
    def others(self) -> list[Question]:
        """Questions whose values, and maybe whose answers, differ from those that are raced on."""
        if len(self._questions) > 1:
            return self._questions[1:]
        if self._other is None:
            if self.contest.fresh is not None:
                self._other = self._fresh(strict=False)
            elif (inputs := bent(self.contest.inputs, self.fixed)) is not None:
                self._other = self.contest.question(inputs, strict=False)
        return [] if self._other is None else [self._other]

    def answers_differ(self, one: Question, other: Question, windows: tuple[Window, ...]) -> bool:
        """Tell whether two questions have answers that can be told apart, and both sound ones."""
        try:
            leaves = [check.leaves(question.truth) for question in (one, other)]
        except Exception:  # the reference does not take these values, so nobody has to
            return False
        if [leaf.shape for leaf in leaves[0]] != [leaf.shape for leaf in leaves[1]]:
            return False
        if any(np.any(np.isfinite(first) != np.isfinite(second)) for first, second in zip(*leaves, strict=True)):
            return False
        seen = [tuple(window.copy(leaf) for window, leaf in zip(windows, each, strict=True)) for each in leaves]
        return bool(check.compare_results(seen[0], seen[1], other.tolerance).fault)

    def checks(self) -> list[str]:
        """Return in words what is verified in this race."""
        questions, stirred = len(self._questions), "a few elements of each float input moved by the last bit per round"
        said = [
            f"results against {self.contest.truth_from} before, in each round and after",
            f"inputs for changes, in {len(self.places)} place{'s' * (len(self.places) > 1)} of memory in turn",
        ]
        said += [f"{questions} sets of values in turn"] if questions > 1 else []
        said += [stirred] if self.stirs else ["the same values in each round"]
        said += ["results on other values after the race"] if self.others else ["no other values to compare with"]
        return [*said, *self.notes]

    def close(self) -> None:
        """Leave the questions as they came."""
        for question in self._questions:
            question.restore()

    def _fresh(self, *, strict: bool) -> Question:
        assert self.contest.fresh is not None
        made = dict(self.contest.fresh(self.rng))
        inputs = {**made, **{name: self.contest.inputs[name] for name in self.fixed if name in made}}
        if _forms(inputs) != _forms(self.contest.inputs):
            raise InputError(
                f"inputs(rng) made {_forms(inputs)} after {_forms(self.contest.inputs)}; all must be alike."
            )
        question = self.contest.question(inputs, strict=strict)
        if strict:
            try:
                _ = question.truth
            except Exception as error:
                raise RaceError(f"The reference fails on other inputs of {self.contest.described}: {error}") from error
        return question


def _forms(inputs: Inputs) -> list[str]:
    return [f"{leaf.dtype} {leaf.shape}" for leaf in check.leaves(inputs)]
