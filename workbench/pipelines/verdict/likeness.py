"""How like two lists of answers to the same texts are, measured as each task needs it: 1 where nothing differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
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

_AS_NEAR = 0.01
"""Two texts whose cosines to a third differ by less are about as near to it: which one comes first means little."""


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
    return min(share, max(0.0, (share + square / 2 - spread) / (1 + square)))


def _embeddings(original: Any, other: Any) -> tuple[Likeness, ...]:
    cosines = np.array([_cosine(one, two) for one, two in zip(original, other, strict=True)])
    least, mean = float(cosines.min()), float(cosines.mean())
    measured = [
        Likeness("cosine, mean", mean, format_cosine(mean), f"cosine {format_cosine(mean)} in the mean"),
        Likeness("cosine, least", least, format_cosine(least), f"{format_cosine(least)} at the least"),
    ]
    count = len(original)
    if isinstance(original, np.ndarray) and 3 <= count <= _MOST_COMPARED:  # not so without pooling
        measured.append(
            _share("nearest kept", _nearest_kept(original, other), count, "a nearest text as near as before")
        )
    return tuple(measured)


def _cosine(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> float:
    a, b = one.ravel().astype(np.float64), two.ravel().astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return min(float(a @ b) / norms, 1.0) if norms else float(not (a.any() or b.any()))


def _nearest_kept(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> int:
    """Count the texts whose nearest other text by the second is also, or all but, the nearest by the first."""
    similar, others = fk.cosine_similarity(first, first), fk.cosine_similarity(second, second)
    for each in (similar, others):
        np.fill_diagonal(each, -np.inf)
    chosen = np.take_along_axis(similar, others.argmax(axis=1)[:, None], axis=1)[:, 0]
    return int((similar.max(axis=1) - chosen <= _AS_NEAR).sum())


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


def _continuations(original: Sequence[Any], other: Sequence[Any]) -> tuple[Likeness, ...]:
    """Return the share of words before two texts part; what follows goes on from something else."""
    kept = longest = 0
    for one, two in zip(original, other, strict=True):
        first, second = one.text.split(), two.text.split()
        longest += max(len(first), len(second))
        kept += len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))))
    value = kept / longest if longest else 1.0
    text = format_share(value)
    return (Likeness("words before they part", value, text, f"{text} of the words before the texts part"),)


MEASURES: dict[str, Callable[[Any, Any], tuple[Likeness, ...]]] = {
    "feature-extraction": _embeddings,
    "text-classification": _labels,
    "token-classification": _entities,
    "question-answering": _answers,
    "text-generation": _continuations,
}
"""How the answers of each task are compared."""


def _best(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list) else answer


def _places(entities: Any) -> Counter[tuple[int, int, str]]:
    return Counter((one.start, one.end, one.entity) for one in entities)


def _share(name: str, same: int, count: int, words: str) -> Likeness:
    bound = format_share(at_least(same, count))
    sentence = f"{words} for {same:,} of {count:,} texts (expect at least {bound})"
    return Likeness(name, same / count, f"{same:,} of {count:,}", sentence)
