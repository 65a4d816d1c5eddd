"""How long a message takes to a kernel and back, timed against what else would do the work."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from workbench.models.awaited import Stop, awaited
from workbench.ring.audit import ring
from workbench.ring.findings import RingAudit
from workbench.views import controls, html, template
from workbench.views.jobs import Job, Report, stoppable

from . import chart

ROUNDS = 30


class RingAuditPanel(widgets.VBox):  # type: ignore[misc]
    """The audit of round trips: the answer in a sentence, a chart, and the conditions.

    Attributes
    ----------
    settings
        The fields for the side column.
    rounds
        How often each way is timed.
    audit
        The last one, or None; a cancelled one leaves it as it was.
    figure
        Its chart, or None.
    job
        What Run and Cancel do.
    """

    def __init__(self) -> None:
        self.audit: RingAudit | None = None
        self.figure: Any = None
        self.rounds = controls.pills("Rounds", (10, ROUNDS, 100), value=ROUNDS)
        self.job: Job[RingAudit] = Job(self._run, self._show, hint="About ten seconds with 30 rounds.")
        self.settings = widgets.VBox([self.rounds, self.job])
        self.outcome = widgets.VBox([widgets.HTML(_EMPTY)])
        super().__init__([self.job.failure, self.outcome])

    @property
    def code(self) -> str:
        """The code that audits the same."""
        rounds = self.rounds.value
        return f"{controls.call('wb.bench.ring', rounds=None if rounds == ROUNDS else rounds)}.plot()"

    async def _run(self, report: Report) -> RingAudit:
        rounds = self.rounds.value

        def work(stop: Stop) -> RingAudit:
            return ring(rounds=rounds, progress=stoppable(report, stop))

        return await awaited(work)

    def _show(self, audit: RingAudit) -> None:
        self.audit = audit
        self.figure = template.live(chart.audit(audit, title=False))
        head = html.answer(chart.first(audit), (), chart.conditions(audit))
        facts = html.folded("What is asked, and the conditions", html.facts(audit.facts))
        self.outcome.children = [widgets.HTML(head), self.figure, widgets.HTML(facts)]


_EMPTY = (
    '<div class="fw-empty"><b>What does a message cost?</b>'
    "Press Run: a number and a softmax of 1 MB go to a kernel and back, against a plain call, a thread pool and "
    "asyncio.to_thread. Each reply is checked, and none is an acknowledgement only.</div>"
)
