"""The rules of a verdict, as data: from what a quantisation gains and changes to whether it is worth it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from workbench.bench.race import Ratio

    from .likeness import Likeness

Worth = Literal["yes", "maybe", "no"]

SMALLER = 1.3
"""From so many times smaller on it counts as smaller."""
FASTER, SLOWER = 1.1, 0.95
"""Where the whole interval of a gain lies above the first it is faster, below the second it is slower."""

GRADES = ("same", "close", "near", "far")
BOUNDS: Mapping[str, tuple[float, float, float]] = {
    "cosine, mean": (0.9995, 0.995, 0.98),
    "cosine, least": (0.998, 0.985, 0.95),
    "nearest kept": (0.99, 0.95, 0.85),
    "same label": (0.999, 0.98, 0.95),
    "same entities": (0.999, 0.98, 0.95),
    "same answer": (0.999, 0.96, 0.90),
    "words shared": (0.999, 0.98, 0.95),
    "words before they part": (0.98, 0.9, 0.6),
}
"""For each measure of likeness, from which value on answers are the same, close and near; else they are far."""


@dataclass(frozen=True)
class Rule:
    """Whether a quantisation is worth it that has one of the grades named of each kind; None takes any.

    Parameters
    ----------
    worth
        ``"yes"``, ``"maybe"`` or ``"no"``.
    because
        The reason, in words that end the sentence.
    speed
        ``"faster"``, ``"as fast"``, ``"slower"``; ``"mixed"`` where it is faster for many texts and slower for one, or
        the other way round.
    size
        ``"smaller"`` or ``"as large"``.
    likeness
        Of :data:`GRADES`, the worst of all measures.
    """

    worth: Worth
    because: str
    speed: tuple[str, ...] | None = None
    size: tuple[str, ...] | None = None
    likeness: tuple[str, ...] | None = None

    def applies(self, grades: Mapping[str, str]) -> bool:
        """Tell whether all grades are among those that it names."""
        return all(
            named is None or grades[kind] in named
            for kind, named in (("speed", self.speed), ("size", self.size), ("likeness", self.likeness))
        )


RULES: tuple[Rule, ...] = (
    Rule("no", "too many answers are others than the original's", likeness=("far",)),
    Rule("yes", "it gains time and keeps the answers", speed=("faster",), likeness=("same", "close")),
    Rule("maybe", "it gains time and changes some answers: look at those first", speed=("faster",), likeness=("near",)),
    Rule("maybe", "it depends on whether texts come together or alone", speed=("mixed",), likeness=("same", "close")),
    Rule("no", "it changes answers and does not always gain time", speed=("mixed",), likeness=("near",)),
    Rule("no", "it is neither faster nor smaller", size=("as large",)),
    Rule(
        "yes", "it saves memory and keeps the answers, though not time", speed=("as fast",), likeness=("same", "close")
    ),
    Rule("maybe", "it saves memory and takes more time", speed=("slower",), likeness=("same", "close")),
    Rule("no", "it saves memory alone and changes some answers"),
)
"""Asked in this order; the first one that applies decides."""

_WORTH = {"yes": "worth it", "maybe": "worth a try", "no": "not worth it"}


@dataclass(frozen=True)
class Finding:
    """What the rules say of a candidate.

    Parameters
    ----------
    worth
        ``"yes"``, ``"maybe"`` or ``"no"``.
    rule
        The one that decided.
    grades
        Of ``speed``, ``size`` and ``likeness``.
    text
        Words that follow the candidate's name and "is".
    """

    worth: Worth
    rule: Rule
    grades: Mapping[str, str]
    text: str


def find(smaller: float, gains: Mapping[str, Ratio], likeness: Iterable[Likeness]) -> Finding:
    """Return what the rules say.

    Parameters
    ----------
    smaller
        How many times smaller the weights are.
    gains
        How many times faster, ``"together"`` and ``"alone"``.
    likeness
        How like the answers are.
    """
    likeness = tuple(likeness)
    grades = {
        "speed": speed_grade(gains.values()),
        "size": "smaller" if smaller >= SMALLER else "as large",
        "likeness": max((one.grade for one in likeness), key=GRADES.index, default="same"),
    }
    rule = next(rule for rule in RULES if rule.applies(grades))
    measured = [_speed_words(what, gain) for what, gain in gains.items()]
    measured += [f"{factor(smaller)} smaller" if smaller >= 1 else f"{factor(1 / smaller)} larger"]
    measured += [one.sentence for one in likeness]
    return Finding(rule.worth, rule, grades, f"{_WORTH[rule.worth]}, since {rule.because}: {', '.join(measured)}")


def speed_grade(gains: Iterable[Ratio]) -> str:
    """Return how gains with their intervals count together.

    >>> from workbench.bench.race import Ratio
    >>> speed_grade([Ratio(2.0, 1.8, 2.2), Ratio(1.0, 0.9, 1.1)]), speed_grade([Ratio(1.2, 0.9, 1.5)])
    ('faster', 'as fast')
    """
    gains = list(gains)
    faster = any(gain.low >= FASTER for gain in gains)
    slower = any(gain.high <= SLOWER for gain in gains)
    if faster and slower:
        return "mixed"
    return "faster" if faster else "slower" if slower else "as fast"


def grade(name: str, value: float) -> str:
    """Return the grade of a measure of likeness.

    >>> grade("same label", 0.99), grade("cosine, mean", 0.97)
    ('close', 'far')
    """
    return next((grade for grade, least in zip(GRADES, BOUNDS[name], strict=False) if value >= least), GRADES[-1])


def factor(ratio: float) -> str:
    """Write how many times.

    >>> factor(3.91), factor(1.234)
    ('3.9 times', '1.23 times')
    """
    return f"{ratio:.2f} times" if ratio < 1.995 else f"{ratio:.1f} times"


def _speed_words(what: str, gain: Ratio) -> str:
    if not gain.decided:
        return f"as fast {what}"
    words = f"{factor(gain.value)} faster" if gain.value > 1 else f"{factor(1 / gain.value)} slower"
    return f"{words} {what}"
