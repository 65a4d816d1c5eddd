"""A stream of texts through a classifier, an embedder and the kernel that compares: labels, and who is like whom."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets

from workbench.errors import InputError
from workbench.ring.handle import KernelHandle
from workbench.ring.stages import TextRecord, stream_texts
from workbench.text import counted, format_seconds
from workbench.views import controls, html, template
from workbench.views.jobs import Job, Report
from workbench.views.keys import Keys
from workbench.views.pipelines import card as pipeline_card
from workbench.views.pipelines import similarity_chart
from workbench.views.pipelines.forms import CLASSIFICATION, EMBEDDINGS, FORMS, at_hand

from .launch import SHORT, Launch, pipeline_launch

SIMILAR = Launch("similar", lambda *_: "similarity_matrix", controls.literal("similarity_matrix"))
"""A kernel of its own, since it is told to forget what it has."""
_BETWEEN = 0.1
"""Seconds between two pictures of a table that grows."""
_TEXTS = (
    "The soup was delicious.\nThe waiter was rude and slow.\nThe soup was lovely and fresh.\n"
    "The room was clean and quiet.\nThe staff was rude.\nThe room was comfortable and quiet."
)
Open = Callable[[Sequence[Launch], Report], Awaitable[list[KernelHandle]]]


@dataclass(frozen=True)
class Streamed:
    """What came out of a stream, as far as it went.

    Parameters
    ----------
    records
        Of the first texts, in order: as many as a map has room for.
    labels
        How many of all texts have each label.
    seconds
        From the first text to the last record.
    """

    records: tuple[TextRecord, ...]
    labels: Counter[str]
    seconds: float

    @property
    def count(self) -> int:
        """How many texts there were."""
        return self.labels.total()

    @property
    def similarities(self) -> np.ndarray[Any, Any]:
        """How alike the texts of the records are: float32 (texts, texts)."""
        count = len(self.records)
        found = np.eye(count, dtype=np.float32)
        for place, record in enumerate(self.records):
            found[place, : place + 1] = found[: place + 1, place] = np.ravel(record.answer)[: place + 1]
        return found

    @property
    def first(self) -> str:
        """The answer in a sentence."""
        labels = ", ".join(f"{count:,} {label}" for label, count in self.labels.most_common())
        if len(self.records) < 2:
            return f"{labels}."
        one, other, value = similarity_chart.closest(self.similarities)
        of = f" of the first {len(self.records)}" if self.count > len(self.records) else ""
        return f"{labels}; {one + 1} and {other + 1}{of} are closest: cosine {similarity_chart.hundredths(value)}."


class RingStream(widgets.VBox):  # type: ignore[misc]
    """Texts through three kernels, as they come.

    Parameters
    ----------
    opened
        ``await opened(launches, report)`` gives the handles of kernels, those that are there already among them.

    Attributes
    ----------
    settings
        The fields for the side column.
    classifier, embedder, batch, ahead
        The models, and the limits of :func:`workbench.ring.stream_texts`.
    texts
        A text on each line.
    streamed
        The last :class:`Streamed`, or None; of a stream that was cancelled what had come by then.
    figure
        The map of who is like whom, or None.
    job
        What Stream and Cancel do.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self, opened: Open) -> None:
        self._opened = opened
        self.streamed: Streamed | None = None
        self.figure: Any = None
        self._cold = True
        self.classifier, self.embedder = (
            controls.combobox(label, FORMS[task].models, value=at_hand(task), ensure_option=False)
            for label, task in (("Classifier", CLASSIFICATION), ("Embedder", EMBEDDINGS))
        )
        self.batch = controls.text("Texts in a group", value="16", tooltip="batch")
        self.ahead = controls.text("Groups on their way", value="2", tooltip="ahead")
        self.job: Job[Streamed] = Job(self._run, self._finish, label="Stream")
        groups = [(self.classifier, self.embedder), (self.batch, self.ahead), (self.job,)]
        self.settings = widgets.VBox([widgets.VBox(group) for group in groups], _dom_classes=("fw-settings",))
        self.texts = controls.textarea("Texts, one per line", value=_TEXTS, rows=6)
        self._head, self._table = widgets.HTML(_EMPTY), widgets.HTML()
        self.outcome = widgets.VBox([self._head])
        super().__init__([Keys(), self.texts, self.job.failure, self.outcome])
        for choice in (self.classifier, self.embedder, self.batch, self.ahead, self.texts):
            choice.observe(self._changed, "value")

    @property
    def code(self) -> str:
        """The code that streams the same.

        Raises
        ------
        workbench.errors.InputError
            If a field holds what it cannot.
        """
        texts, options = self._texts(), self._options()
        names = ("labels", "vectors", "similar")
        given = {name: value for name, value in options.items() if value != _DEFAULTS[name]}
        call = controls.call("wb.ring.stream_texts", texts, *map(controls.Code, names), **given)
        launches = [f"{name} = {launch.code}" for name, launch in zip(names, self._launches(), strict=True)]
        return "\n".join([*launches, f"async for record in {call}:", "    print(record.text, record.label.label)"])

    def _changed(self, *_: Any) -> None:
        self.written += 1

    def _launches(self) -> list[Launch]:
        pipelines = []
        for task, field in ((CLASSIFICATION, self.classifier), (EMBEDDINGS, self.embedder)):
            if not (model := field.value.strip()):
                raise InputError(f"No {field.description.lower()} is named. Write a hub id, a folder or sample:name.")
            pipelines.append(pipeline_launch(SHORT[task], task, model))
        return [*pipelines, SIMILAR]

    def _texts(self) -> list[str]:
        if texts := [line for line in self.texts.value.splitlines() if line.strip()]:
            return texts
        raise InputError("There is no text. Write one on each line.")

    def _options(self) -> dict[str, int]:
        options = {}
        for name, field in (("batch", self.batch), ("ahead", self.ahead)):
            try:
                options[name] = int(field.value)
            except ValueError:
                raise InputError(f"{field.description} is {field.value!r}, which is not a whole number.") from None
        return options

    async def _run(self, report: Report) -> Streamed:
        texts, options = self._texts(), self._options()
        labels, vectors, similar = await self._opened(self._launches(), report)
        self._cold = not labels.metrics.messages
        await similar.acall("clear")
        records: list[TextRecord] = []
        found: Counter[str] = Counter()
        self.figure = None
        self.outcome.children = [self._head, self._table]
        begin = shown = time.perf_counter()
        try:
            async for record in stream_texts(texts, labels, vectors, similar, **options):
                found[record.label.label] += 1
                if len(records) < similarity_chart.MOST:
                    records.append(record)
                if time.perf_counter() - shown > _BETWEEN:
                    shown = time.perf_counter()
                    self._grow(Streamed(tuple(records), found.copy(), shown - begin))
                    report(f"text {found.total():,} of {len(texts):,}", found.total() / len(texts))
        finally:
            if records:
                self._grow(Streamed(tuple(records), found, time.perf_counter() - begin))
        assert self.streamed is not None
        return self.streamed

    def _grow(self, streamed: Streamed) -> None:
        self.streamed = streamed
        count, seconds = streamed.count, streamed.seconds
        pace = f"{counted(count, 'text')} in {format_seconds(seconds)}, {count / seconds:,.0f} a second"
        pace += " \N{MIDDLE DOT} the first run, in which the models warm up" if self._cold else ""
        self._head.value = html.answer(streamed.first, (), [pace])
        self._table.value = _table(streamed)

    def _finish(self, streamed: Streamed) -> None:
        if len(streamed.records) > 1:
            texts = [record.text for record in streamed.records]
            self.figure = template.live(similarity_chart.similarity(streamed.similarities, texts))
            self.outcome.children = [self._head, self.figure, self._table]


def _table(streamed: Streamed) -> str:
    similarities = streamed.similarities
    rows = []
    for place, record in enumerate(streamed.records):
        near = ""
        if place:
            best = int(np.argmax(similarities[place, :place]))
            near = f"{best + 1}, cosine {similarity_chart.hundredths(similarities[place, best])}"
        score = html.Markup(pipeline_card.score(record.label.score))
        rows.append((record.text, record.label.label, score, near))
    left = streamed.count - len(rows)
    more = f'<p class="fw-muted">and {left:,} more</p>' if left > 0 else ""
    return html.table(("text", "label", "score", "most like, of those before"), rows) + more


_DEFAULTS = {"batch": 16, "ahead": 2}
_EMPTY = (
    '<div class="fw-empty"><b>What is each text, and which one is it like?</b>'
    "Three kernels: a classifier and an embedder work at once, and a third one keeps all embeddings and compares each "
    "new one with them. Nobody reads faster than the slowest can.</div>"
)
