"""From the logits of begins and ends to the passages that answer a question.

The probability of a passage is that of its begin times that of its end, each a softmax over all tokens of the context
and the first token of the input, which stands for "no answer" (Devlin et al., BERT, arXiv:1810.04805, section 4.3).
Where a context is read in windows, the softmax is over the tokens of all of them, and "no answer" is as likely as in
the window that finds it least likely, as in BERT's own code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fused_kernels as fk

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Passage:
    """Where an answer stands.

    Parameters
    ----------
    start, end
        Its first and its last character, and one more; both 0 for no answer.
    score
        From 0 to 1.
    """

    start: int
    end: int
    score: float


def passages(
    logits: Array,
    nothing: Array | None,
    words: Array,
    offsets: Sequence[tuple[int, int]],
    *,
    top_k: int,
    max_answer_len: int,
    impossible: bool,
) -> list[Passage]:
    """Return the likeliest passages, best first.

    Parameters
    ----------
    logits
        Shape (tokens, 2): of begin and end, for each token of the context.
    nothing
        Shape (windows, 2): the same for the token that stands for no answer; None if there is none.
    words
        For each token the number of its word, rising: a passage is made of whole words.
    offsets
        Where each token stands in the context, in characters.
    top_k
        So many passages at the most.
    max_answer_len
        Most tokens of a passage, before it is widened to whole words.
    impossible
        Whether "no answer" is one of the passages.
    """
    count = len(logits)
    rows = logits
    if nothing is not None:
        rows = np.concatenate([nothing[[nothing.sum(axis=1).argmin()]], logits])
    begins, ends = fk.softmax(np.ascontiguousarray(rows.T))
    none = float(begins[0] * ends[0])
    if nothing is not None:
        begins, ends = begins[1:], ends[1:]
    longest = min(max_answer_len, count)
    # scores[token, length - 1]; what would go beyond the last token has an end of probability -1
    reach = np.append(ends, np.full(longest - 1, -1, ends.dtype))[np.add.outer(np.arange(count), np.arange(longest))]
    # a begin of probability 0 would make a 0 of that as well
    scores = (np.maximum(begins, np.finfo(begins.dtype).tiny)[:, np.newaxis] * reach).ravel()
    wanted = min(2 * top_k + 10, scores.size)  # some of them are the same words
    places = scores.argpartition(scores.size - wanted)[scores.size - wanted :]
    places = places[scores[places] >= 0]
    first, length = np.divmod(places, longest)
    stands = zip(
        words.searchsorted(words[first], "left").tolist(),
        (words.searchsorted(words[first + length], "right") - 1).tolist(),
        strict=True,
    )
    found: dict[tuple[int, int], float] = {}
    for span, score in zip(stands, scores[places].tolist(), strict=True):
        found[span] = found.get(span, 0.0) + score
    answers = [Passage(offsets[one][0], offsets[last][1], score) for (one, last), score in found.items()]
    if impossible:
        answers.append(Passage(0, 0, none))
    return sorted(answers, key=lambda passage: (-passage.score, passage.start, passage.end))[:top_k]
