"""The Pipelines panel: choose a task and a model, write a text, and read the answer; generation as it is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

from workbench.errors import InputError
from workbench.models.awaited import Stop, awaited
from workbench.models.model import Model
from workbench.pipelines.batching.metrics import BatchMetrics
from workbench.pipelines.pipeline import pipeline
from workbench.pipelines.results import Generation
from workbench.pipelines.task import Pipeline
from workbench.views import controls, html
from workbench.views.code_footer import CodeFooter
from workbench.views.jobs import Job, Report, stoppable
from workbench.views.keys import Keys
from workbench.views.models.cache_panel import CachePanel
from workbench.views.status import guarded

from . import batch_card, card
from .answer_view import Answered, AnswerView
from .code import pipeline_code
from .forms import FORMS, GENERATION, at_hand
from .inputs import Asked, PipelineInput
from .settings import PipelineSettings
from .verdict_panel import VerdictPanel


class PipelinePanel(widgets.VBox):  # type: ignore[misc]
    """Ask a model: classify texts, find names and answers, compare meanings, continue a prompt.

    Parameters
    ----------
    loading
        Gives the code that loads the model of the Load panel; empty if there is none.

    Attributes
    ----------
    settings, input
        The fields of the pipeline, and of what it is asked.
    pipe
        The open pipeline, or None. It stays open until another one is asked for.
    answered
        The last answer, or None; a cancelled or failed question leaves it as it was.
    verdict, cache
        What quantising would give, and what the cache holds.
    job
        What Run and Cancel do, as a :class:`~workbench.views.jobs.Job`.
    """

    def __init__(self, loading: Callable[[], str] = lambda: "") -> None:
        self._loading = loading
        self.pipe: Pipeline | None = None
        self.answered: Answered | None = None
        self._opened_with: tuple[Any, ...] = ()
        self._views: dict[str, AnswerView] = {}
        self.settings, self.input = PipelineSettings(), PipelineInput()
        self.job: Job[Answered] = Job(self._run, self._show, hint=_HINT, said=lambda answered: answered.said)
        self._empty = _empty(self._try)
        self.outcome = widgets.VBox([self._empty])
        self.batches = widgets.HTML().add_class("fw-section")
        self.verdict = VerdictPanel()
        self.cache = CachePanel()
        self.code_footer = CodeFooter()
        side = controls.box(self.settings, classes="fw-side")
        main = controls.box(
            *(Keys(), self.input, self.job, self.job.failure, self.outcome, self.batches, self.verdict, self.cache),
            classes="fw-main",
        )
        super().__init__([controls.box(side, main, classes="fw-split"), self.code_footer])
        self.settings.task.observe(guarded(self._choose_task, self.job.failure), "value")
        self.settings.cache.observe(guarded(self._choose_cache, self.job.failure), "value")
        for changed in (self.settings, self.input):
            changed.observe(guarded(self._update, self.job.failure), "written")
        self._choose_task()

    @property
    def code(self) -> str:
        """The code that asks the same."""
        given = self.settings.given
        return pipeline_code(
            self.settings.task.value,
            controls.Code("model") if isinstance(given, Model) else given,
            self.settings.options,
            self.input.asked,
            self._loading() if isinstance(given, Model) else "",
        )

    def show_model(self, model: Model | None) -> None:
        """Offer the model of the Load panel."""
        self.settings.show_model(model)

    def close_pipe(self) -> None:
        """Give back what the open pipeline holds."""
        pipe, self.pipe, self._opened_with = self.pipe, None, ()
        if pipe is not None:
            pipe.close()

    def _choose_task(self, *_: Any) -> None:
        task = self.settings.task.value
        self.input.show_for(task)
        self._show_view(self._views.get(task))
        self.job.say("" if task in self._views else _HINT)
        self.job.cancel_button.description = "Stop" if task == GENERATION else "Cancel"
        self._update()

    def _choose_cache(self, *_: Any) -> None:
        try:
            self.cache.show(self.settings.cache.config)
        except InputError:
            self.cache.show(None)  # a budget that is still being written

    def _try(self, task: str) -> None:
        """Choose a task with a model to try, and run it where the model is at hand."""
        source = at_hand(task)
        self.settings.choose(task, source)
        if source.startswith("sample:"):
            self.job.restart()
        else:
            self.job.say(f"Run fetches {source} from the hub, once.")

    def _update(self, *_: Any) -> None:
        try:
            self.code_footer.code = self.code
        except InputError:
            self.code_footer.code = ""  # what is still being written has no code

    async def _run(self, report: Report) -> Answered:
        asked, task = self.input.asked, self.settings.task.value
        opened = await self._open(task, report)
        pipe: Any = self.pipe
        begin = time.perf_counter()
        if task == GENERATION:
            found: Any = await self._write(pipe, asked, report)
        else:
            report("computing", None)
            found = await pipe.arun(*asked.arguments, **asked.named)
        seconds = time.perf_counter() - begin
        compared = isinstance(found, np.ndarray) and found.ndim == 2
        similarities = await asyncio.to_thread(pipe.similarity, found) if compared else None
        return Answered(pipe, asked, found, seconds, opened, similarities, _cut(pipe, asked))

    async def _open(self, task: str, report: Report) -> float | None:
        """Open the pipeline that is set, unless it is open already; return the seconds that it took."""
        given, options = self.settings.given, self.settings.options
        wanted = (task, given, options)
        if self.pipe is not None and not self.pipe.closed and self._opened_with == wanted:
            return None
        await asyncio.to_thread(self.close_pipe)  # which waits for what its batcher has taken
        begin = time.perf_counter()

        def make(stop: Stop) -> Pipeline:
            made: Pipeline = pipeline(task, given, progress=stoppable(report, stop), **options)
            if stop.requested:
                made.close()
            return made

        report("opening the model", None)
        self.pipe, self._opened_with = await awaited(make), wanted
        return time.perf_counter() - begin

    async def _write(self, pipe: Any, asked: Asked, report: Report) -> Generation:
        """Show a text while it is written; when it is stopped, return it as far as it is."""
        shown, text, last = widgets.HTML(card.written(asked.texts[0], "")), "", 0.0
        if self.settings.task.value == GENERATION:
            self.outcome.children = [shown]
        report("writing", None)
        stream = pipe.stream(*asked.arguments, **asked.named)
        try:
            async for piece in stream:
                text += piece
                if time.monotonic() - last >= _BETWEEN:
                    last = time.monotonic()
                    shown.value = card.written(asked.texts[0], text)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()  # what is written is the answer
        found: Generation = await asyncio.to_thread(lambda: stream.result)
        return found

    def _show(self, answered: Answered) -> None:
        self.answered = answered
        view = self._views[answered.task] = AnswerView(answered)
        if self.settings.task.value == answered.task:
            self._show_view(view)
        self._choose_cache()

    def _show_view(self, view: AnswerView | None) -> None:
        """Show the last answer of a task, and what there is to say of the pipeline while that is open."""
        self.outcome.children = [self._empty if view is None else view]
        pipe = self.pipe if view is not None and view.answered.pipe is self.pipe else None
        self.batches.value = _batches(pipe.metrics if pipe is not None else None)
        controls.show(self.batches, bool(self.batches.value))
        self.verdict.show(pipe, view.answered.asked if view is not None else None)


def _batches(metrics: BatchMetrics | None) -> str:
    if metrics is None or not metrics.requests:  # a stream takes part in no batch
        return ""
    heading = html.heading(f"Batches: {metrics.heading}", "since the pipeline was opened")
    return heading + batch_card.metrics_body(metrics)


def _cut(pipe: Any, asked: Asked) -> tuple[str, ...]:
    """Say which texts the pipeline cut; its own warning goes to where nobody looks while a panel is used."""
    tokens = getattr(pipe, "tokens", None)
    if tokens is None or tokens.longest is None or pipe.truncation != "warn":
        return ()
    lengths = [len(encoding) for encoding in tokens.encode(asked.items)]
    long = [place for place, length in enumerate(lengths) if length > tokens.longest]
    if not long:
        return ()
    first = f"Text {long[0] + 1}" if len(lengths) > 1 else "The text"
    others = f", and so were {len(long) - 1} more" if len(long) > 1 else ""
    return (f"{first} was cut{others}: it has {lengths[long[0]]:,} tokens, and the model takes {tokens.longest}.",)


def _empty(tried: Callable[[str], None]) -> widgets.VBox:
    tiles = []
    for task, form in FORMS.items():
        button = controls.button(form.title, tooltip=form.about)
        button.on_click(lambda _, task=task: tried(task))
        source = at_hand(task)
        place = "at hand" if source.startswith("sample:") else "from the hub"
        words = f"{task} with {source.removeprefix('sample:').rpartition('/')[2]}, {place}"
        tiles.append(
            controls.box(button, widgets.HTML(f'<p class="fw-muted">{html.escape(words)}</p>'), classes="fw-tile")
        )
    return widgets.VBox([widgets.HTML(_EMPTY), controls.box(*tiles, classes="fw-grid")])


_BETWEEN = 0.05
"""Seconds between two pictures of a text that grows; each one is a message to the browser."""
_HINT = "The first run opens the model."
_EMPTY = (
    '<div class="fw-empty"><b>What does a model make of your text?</b>'
    "Choose a task and a model, write a text and press Run. Or try one of these:</div>"
)
