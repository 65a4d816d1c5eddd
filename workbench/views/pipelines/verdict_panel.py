"""Whether a quantisation of the open pipeline is worth it, measured on the texts of the panel."""

from __future__ import annotations

import ipywidgets as widgets

from workbench.models.awaited import Stop, awaited
from workbench.pipelines.task import Pipeline
from workbench.pipelines.verdict.verdict import Verdict
from workbench.views import controls, html
from workbench.views.jobs import Job, Report, stoppable

from . import verdict_card
from .inputs import Asked

BUDGET = 5.0
"""Seconds of timing."""


class VerdictPanel(widgets.VBox):  # type: ignore[misc]
    """Weighs INT8 and dynamic quantisation against the model as it is.

    Attributes
    ----------
    verdict
        The last one, or None.
    outcome
        The same as HTML.
    job
        What Weigh and Cancel do.
    """

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self._pipe: Pipeline | None = None
        self._asked: Asked | None = None
        self.outcome = widgets.HTML()
        self.job: Job[Verdict] = Job(self._run, self._show, label="Weigh it")
        self.job.run_button.remove_class("fw-primary")
        heading = widgets.HTML(html.heading("Is quantising worth it?", _ABOUT))
        super().__init__([heading, self.job, self.job.failure, self.outcome], _dom_classes=("fw-section",))
        self.show(None, None)

    def show(self, pipe: Pipeline | None, asked: Asked | None) -> None:
        """Offer to weigh a pipeline on what it was asked; nothing for None."""
        self._pipe, self._asked = pipe, asked
        controls.show(self, pipe is not None)
        self.job.say("")
        self.outcome.value = ""

    @property
    def code(self) -> str:
        """The code that weighs the same."""
        return controls.call("pipe.verdict", self._asked.items, budget=BUDGET) if self._asked is not None else ""

    async def _run(self, report: Report) -> Verdict:
        pipe, asked = self._pipe, self._asked
        assert pipe is not None and asked is not None

        def work(stop: Stop) -> Verdict:
            return pipe.verdict(asked.items, budget=BUDGET, progress=stoppable(report, stop))

        return await awaited(work)

    def _show(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.outcome.value = f"{verdict_card.verdict_body(verdict)}<p><code>{html.escape(self.code)}</code></p>"


_ABOUT = "INT8 and dynamic against the model as it is, on the texts above: size, speed and the answers."
