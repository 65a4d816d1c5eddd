"""What crossed the bridge, and its pool of memory, as HTML."""

from __future__ import annotations

from workbench.bridge.dtypes import BridgeDtypes
from workbench.bridge.pool import PoolUsage
from workbench.bridge.report import COLUMNS, ShareReport, row

from . import html

ROWS = 50
"""A static table shows at most so many transfers, the last ones."""


def report_card(report: ShareReport) -> str:
    """Return the sum, and a row for each of the last transfers."""
    last = report.transfers[-ROWS:]
    rows = [(*row(transfer)[:3], html.shape_text(transfer.shape), *row(transfer)[4:]) for transfer in last]
    left = len(report) - len(rows)
    more = f'<p class="fw-muted">and {left:,} before them: see .to_pandas()</p>' if left else ""
    table = html.table(COLUMNS, rows, numeric=("shape", "bytes"), wrapped=("why",)) if rows else ""
    return html.card(html.heading(report.heading), table, more)


def dtypes_card(dtypes: BridgeDtypes) -> str:
    """Return a row for each dtype."""
    return html.card(
        html.heading(f"{len(dtypes)} dtypes"), html.table(dtypes.columns, dtypes.rows, numeric=dtypes.columns[1:3])
    )


def pool_card(usage: PoolUsage) -> str:
    """Return the pool's numbers."""
    return html.card(html.heading("Pool of the bridge"), html.facts(usage.facts))
