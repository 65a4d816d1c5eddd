"""What a pipeline answered, in the panel: the answer first, then its details, and under it how it was computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

from workbench.pipelines.results import Answer, Classification, Entities, Generation, Results
from workbench.pipelines.task import Pipeline
from workbench.text import counted, format_seconds
from workbench.views import html, template

from . import card, similarity_chart
from .inputs import Asked


@dataclass(frozen=True)
class Answered:
    """The answer to what was asked, and how it came about.

    Parameters
    ----------
    pipe
        What was asked.
    asked
        The question.
    found
        What the pipeline returned.
    seconds
        That the call took.
    opened
        Seconds that opening the pipeline took; None if it was open already.
    similarities
        Of embeddings, float32 (texts, texts); None otherwise.
    """

    pipe: Pipeline
    asked: Asked
    found: Any
    seconds: float
    opened: float | None
    similarities: np.ndarray[Any, Any] | None = None
    doubts: tuple[str, ...] = ()
    """What is to be known before it is believed."""

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.pipe.task

    @property
    def said(self) -> str:
        """How it ended, in a word or two."""
        stopped = isinstance(self.found, Generation) and self.found.finish == "cancelled"
        return f"Stopped after {counted(self.found.tokens, 'token')}." if stopped else "Done."

    @property
    def conditions(self) -> str:
        """How it came about, in a line."""
        written = isinstance(self.found, Generation)
        count = counted(self.found.tokens, "token") if written else counted(len(self.asked.texts), "text")
        ended = f", {card.ending(self.found)}" if written else ", the first call" if self.opened else ""
        opened = f"opened in {format_seconds(self.opened)}" if self.opened is not None else ""
        engine = self.pipe.engine
        device = "" if engine.device == "cpu" else engine.device
        computed = ", ".join(filter(None, (engine.name, engine.quantization, device)))
        parts = (f"{count} in {format_seconds(self.seconds)}{ended}", computed, opened)
        return f" {_DOT} ".join(part for part in parts if part)


class AnswerView(widgets.VBox):  # type: ignore[misc]
    """An answer with its details; for embeddings of several texts with a map of how near they are.

    Attributes
    ----------
    answered
        The answer.
    figure
        The map, or None.
    """

    def __init__(self, answered: Answered) -> None:
        self.answered = answered
        self.figure: Any = None
        parts: list[widgets.Widget] = [widgets.HTML(_shown(answered))]
        if answered.similarities is not None:
            drawn = similarity_chart.similarity(answered.similarities, answered.asked.texts)
            self.figure = template.live(drawn)
            parts.append(self.figure)
        parts.append(widgets.HTML(html.folded("The pipeline", html.facts(answered.pipe.facts))))
        super().__init__(parts)


def _shown(answered: Answered) -> str:
    """Return the answer, what is to be known before it is believed, how it came about, and the details."""
    found = answered.found
    if isinstance(found, Generation):  # the text is the answer
        conditions = f'<p class="fw-conditions">{html.escape(answered.conditions)}</p>'
        return card.generation_body(found) + conditions
    first, body = _parts(answered)
    return html.answer(first, answered.doubts, [answered.conditions]) + body


def _parts(answered: Answered) -> tuple[str, str]:
    """Return the answer in a sentence, and its details as HTML."""
    found, texts = answered.found, answered.asked.texts
    if isinstance(found, np.ndarray):
        return _embeddings(found, answered.similarities)
    if isinstance(found, Entities):
        body = card.entities_body(found) + card.entities_rows(found)
        return card.entities_text(found), body
    if answered.asked.question is not None:
        return _answer(found, texts[0])
    if isinstance(found, Classification):
        return found.label, card.score(found.score)
    if not answered.asked.several:  # several labels of one text
        return found[0].label if found else "No label.", card.results_body(found)
    return _summary(found), card.results_body(found, texts)


def _answer(found: Answer | Results[Answer], context: str) -> tuple[str, str]:
    several = found if isinstance(found, list) else [found]
    if not several:
        return "The context has no answer to that.", ""
    table = card.results_body(several) if len(several) > 1 else ""
    return card.answer_text(several[0]), card.answer_details(several[0], context) + table


def _summary(found: Sequence[Any]) -> str:
    """Say what most texts are, or hold."""
    if any(isinstance(one, Entities) for one in found):
        names = [name for one in found if isinstance(one, Entities) for name in one]
        return card.entities_text(names, "these texts")
    best = [one[0] if isinstance(one, list) and one else one for one in found]
    labels = Counter(one.label for one in best if isinstance(one, Classification))
    failed = len(found) - labels.total()
    parts = [f"{count} {label}" for label, count in labels.most_common()] + ([f"{failed} failed"] if failed else [])
    return ", ".join(parts)


def _embeddings(found: np.ndarray[Any, Any], similarities: np.ndarray[Any, Any] | None) -> tuple[str, str]:
    length = float(np.linalg.norm(found[0] if found.ndim == 2 else found))
    facts = html.facts(
        [
            ("shape", html.shape_text(found.shape)),
            ("dtype", found.dtype.name),
            ("length of the first", html.number(round(length, 4))),
        ]
    )
    if similarities is None or len(similarities) < 2:
        return f"{found.shape[-1]} numbers stand for this text.", facts
    one, other, value = similarity_chart.closest(similarities)
    left = len(similarities) - similarity_chart.MOST
    more = f'<p class="fw-muted">the first {similarity_chart.MOST} texts; {left:,} more are not drawn</p>'
    return (
        f"{one + 1} and {other + 1} are closest: cosine {similarity_chart.hundredths(value)}.",
        facts + (more if left > 0 else ""),
    )


_DOT = "\N{MIDDLE DOT}"
