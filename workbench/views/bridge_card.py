"""What crossed the bridge, and its pool of memory, as HTML."""

from __future__ import annotations

from workbench.bridge.pool import PoolUsage
from workbench.bridge.report import COLUMNS, ShareReport, row

from . import html

ROWS = 50
"""A static table shows at most so many transfers, the last ones."""


def report_card(report: ShareReport) -> str:
    """Return the sum, and a row for each of the last transfers."""
    rows = [row(transfer) for transfer in report.transfers[-ROWS:]]
    left = len(report) - len(rows)
    more = f'<p class="fw-muted">and {left:,} before them: see .to_pandas()</p>' if left else ""
    table = html.table(COLUMNS, rows, numeric=("shape", "bytes"), wrapped=("why",)) if rows else ""
    return html.card(html.heading(report.heading), table, more)


def pool_card(usage: PoolUsage) -> str:
    """Return the pool's numbers."""
    return html.card(html.heading("Pool of the bridge"), html.facts(usage.facts))
