"""How like two lists of answers to the same texts are, measured as each task needs it: 1 where nothing differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fused_kernels as fk
from workbench.models.export.difference import format_cosine
from workbench.text import format_share

from .rules import grade

_Z = 1.645
"""Of the normal distribution: 5 % lie above."""
_MOST_COMPARED = 4000
"""Of so many embeddings each is compared with each other one, which takes some hundred megabytes at the most."""


@dataclass(frozen=True)
class Likeness:
    """One measure of how like answers are.

    Parameters
    ----------
    name
        ``"cosine, least"``, ``"same label"`` and so on; :data:`workbench.pipelines.verdict.rules.BOUNDS` has all.
    value
        1 where nothing differs.
    text
        The value as people read it.
    sentence
        The value with its name, as a part of a sentence.
    """

    name: str
    value: float
    text: str
    sentence: str

    @property
    def grade(self) -> str:
        """``"same"``, ``"close"``, ``"near"`` or ``"far"``."""
        return grade(self.name, self.value)


def likeness(task: str, original: Any, other: Any) -> tuple[Likeness, ...]:
    """Compare the answers of two engines.

    Parameters
    ----------
    task
        One of :data:`MEASURES`.
    original, other
        Answers to the same texts, in the same order.
    """
    return MEASURES[task](original, other)


def at_least(same: float, count: int) -> float:
    """Return the share that a sample lets expect at the least, with 95 % confidence: Wilson's bound.

    Wilson, Journal of the American Statistical Association 22 (1927).

    Parameters
    ----------
    same
        How many of the sample are the same.
    count
        How many there are.

    Examples
    --------
    >>> round(at_least(40, 40), 2), round(at_least(400, 400), 3)
    (0.94, 0.993)
    """
    share, square = same / count, _Z * _Z / count
    spread = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (share + square / 2 - spread) / (1 + square))


def _embeddings(original: Any, other: Any) -> tuple[Likeness, ...]:
    first, second = (fk.l2_normalize(np.asarray(each, np.float32)) for each in (original, other))
    cosines = np.minimum(np.einsum("ij,ij->i", first, second, dtype=np.float64), 1.0)
    least, mean = float(cosines.min()), float(cosines.mean())
    measured = [
        Likeness("cosine, mean", mean, format_cosine(mean), f"cosine {format_cosine(mean)} in the mean"),
        Likeness("cosine, least", least, format_cosine(least), f"at least {format_cosine(least)}"),
    ]
    count = len(first)
    if 3 <= count <= _MOST_COMPARED:
        same = int((_nearest(first) == _nearest(second)).sum())
        measured.append(_share("same nearest", same, count, "the same nearest text"))
    return tuple(measured)


def _nearest(unit: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return for each text the one that is most like it, itself excluded."""
    similar = fk.cosine_similarity(unit, unit)
    np.fill_diagonal(similar, -np.inf)
    nearest: np.ndarray[Any, Any] = similar.argmax(axis=1)
    return nearest


def _labels(original: Sequence[Any], other: Sequence[Any]) -> tuple[Likeness, ...]:
    same = sum(_best(one).label == _best(two).label for one, two in zip(original, other, strict=True))
    return (_share("same label", same, len(original), "the same label"),)


def _entities(original: Sequence[Any], other: Sequence[Any]) -> tuple[Likeness, ...]:
    """Return the F1 of the entities of one against those of the other: by place and kind."""
    pairs = [(_places(one), _places(two)) for one, two in zip(original, other, strict=True)]
    shared = sum((one & two).total() for one, two in pairs)
    found = [sum(each.total() for each in side) for side in zip(*pairs, strict=True)]
    value = 2 * shared / sum(found) if sum(found) else 1.0
    text = format_share(value)
    most = max(found)
    return (Likeness("same entities", value, text, f"{text} of {most:,} entities the same" if most else "no entities"),)


def _answers(original: Sequence[Any], other: Sequence[Any]) -> tuple[Likeness, ...]:
    pairs = [(_best(one), _best(two)) for one, two in zip(original, other, strict=True)]
    same = sum((one.start, one.end) == (two.start, two.end) for one, two in pairs)
    words = sum(_words_shared(one.text, two.text) for one, two in pairs) / len(pairs)
    text = format_share(words)
    return (
        _share("same answer", same, len(pairs), "the same answer"),
        Likeness("words shared", words, text, f"{text} of the words shared"),
    )


def _words_shared(one: str, two: str) -> float:
    """Return the F1 of words, as SQuAD counts it."""
    first, second = Counter(one.lower().split()), Counter(two.lower().split())
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0


MEASURES: dict[str, Callable[[Any, Any], tuple[Likeness, ...]]] = {
    "feature-extraction": _embeddings,
    "text-classification": _labels,
    "token-classification": _entities,
    "question-answering": _answers,
}
"""How the answers of each task are compared."""


def _best(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list) else answer


def _places(entities: Any) -> Counter[tuple[int, int, str]]:
    return Counter((one.start, one.end, one.entity) for one in entities)


def _share(name: str, same: int, count: int, words: str) -> Likeness:
    bound = format_share(at_least(same, count))
    sentence = f"{words} for {same:,} of {count:,} texts, which lets expect {bound} at the least"
    return Likeness(name, same / count, f"{same:,} of {count:,}", sentence)
