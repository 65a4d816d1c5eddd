"""From a score for each token and label to the entities of a text, by the strategies of transformers.

``simple`` joins neighbouring tokens of one kind. ``first``, ``average`` and ``max`` decide for whole words before that:
by the first token of a word, the mean of its tokens' scores, or its surest token. A label that begins with ``B-``
begins a new entity, one with ``I-``, or without either, goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .results import Entity

if TYPE_CHECKING:
    from tokenizers import Encoding

    from .tokens import Tokens

Aggregation = Literal["none", "simple", "first", "average", "max"]
"""How the labels of tokens become entities."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Kinds:
    """What labels say.

    Parameters
    ----------
    names
        Of the labels.
    tags
        A number for each label, the same for ``B-PER`` and ``I-PER``.
    begins
        Whether it is a ``B-``.
    """

    names: list[str]
    tags: Array
    begins: Array

    @classmethod
    def of(cls, names: list[str]) -> Kinds:
        """Read the names of labels."""
        tags = [name[2:] if name.startswith(("B-", "I-")) else name for name in names]
        known = {tag: number for number, tag in enumerate(dict.fromkeys(tags))}
        return cls(names, np.array([known[tag] for tag in tags]), np.array([name.startswith("B-") for name in names]))


def entities(
    text: str,
    offsets: Sequence[tuple[int, int]],
    scores: Array,
    starts: Array | None,
    *,
    kinds: Kinds,
    aggregation: Aggregation,
    ignored: Collection[str],
) -> list[Entity]:
    """Return the entities of a text.

    Parameters
    ----------
    text
        The text.
    offsets
        Where each token stands in it, in characters.
    scores
        Shape (tokens, labels), from 0 to 1.
    starts
        Where words begin, for the strategies that decide for words: the number of the first token of each.
    kinds
        What the labels say.
    aggregation
        The strategy.
    ignored
        Labels that are no entities.
    """
    if not len(scores):
        return []
    best = scores.argmax(axis=1)
    if aggregation == "none":
        found = [place for place, label in enumerate(best.tolist()) if kinds.names[label] not in ignored]
        return [_entity(text, kinds.names[best[place]], scores[place, best[place]], *offsets[place]) for place in found]
    if starts is None:
        first = last = np.arange(len(scores))
        sure = scores[first, best]
    else:
        first, last = starts, np.append(starts[1:], len(scores)) - 1
        best, sure = _of_words(scores, best, first, last, aggregation)
    tags = kinds.tags[best]
    new = tags[1:] != tags[:-1]
    new |= kinds.begins[best[1:]]
    edges = [0, *(np.flatnonzero(new) + 1).tolist(), len(best)]
    sums = list(itertools.accumulate(sure.tolist(), initial=0.0))
    made = []
    for begin, end in itertools.pairwise(edges):
        kind = kinds.names[best[begin]].split("-", 1)[-1]
        if kind not in ignored:
            score = (sums[end] - sums[begin]) / (end - begin)
            made.append(_entity(text, kind, score, offsets[first[begin]][0], offsets[last[end - 1]][1]))
    return made


def word_starts(tokens: Tokens, encoding: Encoding, text: str, start: int, stop: int) -> Array:
    """Return the numbers of the tokens, counted from ``start``, with which words begin.

    With a tokenizer that marks what continues a word (``##ing``), those without the mark; else those that stand after a
    blank, and unknown ones, such as an emoji, since most others do not know words. transformers has the same rule, but
    that with tokenizers of the second kind no line's end and no tab parts words there.
    """
    mark = getattr(tokens.tokenizer.model, "continuing_subword_prefix", None)
    if mark:
        begins = [not token.startswith(mark) for token in encoding.tokens[start:stop]]
    else:
        begins = [
            token == tokens.unknown or place == 0 or text[place - 1].isspace() or text[place : place + 1].isspace()
            for token, (place, _) in zip(encoding.ids[start:stop], encoding.offsets[start:stop], strict=True)
        ]
    begins[:1] = [True]
    return np.flatnonzero(begins)


def _of_words(scores: Array, best: Array, first: Array, last: Array, aggregation: str) -> tuple[Array, Array]:
    """Return the label of each word and its score."""
    if aggregation == "average":
        means = np.add.reduceat(scores, first, axis=0) / (last - first + 1)[:, np.newaxis]
        best = means.argmax(axis=1)
        return best, means[np.arange(len(means)), best]
    if aggregation == "first":
        chosen = first
    else:
        sure = scores.max(axis=1)
        highest = np.repeat(np.maximum.reduceat(sure, first), last - first + 1)
        # the first of those that are as sure as the surest of their word
        candidates = np.flatnonzero(sure == highest)
        chosen = candidates[np.searchsorted(candidates, first)]
    return best[chosen], scores[chosen, best[chosen]]


def _entity(text: str, kind: str, score: Any, start: int, end: int) -> Entity:
    return Entity(text[start:end], kind, float(score), start, end)
