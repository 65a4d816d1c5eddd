"""Kernels, runtimes and what an audit of round trips found, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.ring.dead_letters import DeadLetter
from workbench.ring.findings import RingAudit
from workbench.ring.metrics import KernelMetrics, KernelStatus, RuntimeStatus
from workbench.views import html

from .payload import said


def status_card(status: KernelStatus) -> str:
    """Return a kernel at this moment."""
    return html.card(html.heading(status.heading), html.facts(status.facts))


def metrics_card(metrics: KernelMetrics) -> str:
    """Return what became of a kernel's messages."""
    return html.card(html.heading(metrics.heading), html.facts(metrics.facts))


def kernel_card(status: KernelStatus, metrics: KernelMetrics) -> str:
    """Return a kernel, and what became of its messages to open."""
    return html.card(
        html.heading(status.heading), html.facts(status.facts), html.folded(metrics.heading, html.facts(metrics.facts))
    )


def runtime_card(status: RuntimeStatus) -> str:
    """Return a runtime and its kernels."""
    columns = ("kernel", "state", "runs", "waiting", "replies")
    table = html.table(columns, status.rows, numeric=("waiting", "replies"), wrapped=("runs",)) if status.rows else ""
    return html.card(html.heading(status.heading), html.facts(status.facts), table)


def audit_card(audit: RingAudit) -> str:
    """Return the times of round trips, and their conditions."""
    table = html.table(audit.columns, audit.rows, numeric=audit.columns[1:])
    return html.card(html.heading(audit.heading), table, html.facts(audit.facts))


def letters_body(letters: Sequence[DeadLetter], most: int = 20) -> str:
    """Return dead letters as a table, the last one on top."""
    last = list(letters)[: -most - 1 : -1]
    rows = [(one.kernel, str(one.id), one.reason, f"{one.hops}", said(one.payload)) for one in last]
    left = len(letters) - len(rows)
    more = f'<p class="fw-muted">and {left:,} before: see runtime.dead_letters</p>' if left > 0 else ""
    columns = ("kernel", "message", "why", "hops", "carried")
    return html.table(columns, rows, numeric=("message", "hops"), wrapped=("why", "carried")) + more
