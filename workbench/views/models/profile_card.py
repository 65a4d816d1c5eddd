"""HTML picture of a profile: the operators with their shares, and the nodes folded; self-contained, with no script."""

from __future__ import annotations

from workbench.models.profile import Profile
from workbench.text import format_seconds
from workbench.views import html

ROWS = 200
"""The table of nodes has at most so many."""


def profile(found: Profile) -> str:
    """Return how long a run takes, a row for each operator, and the nodes folded."""
    heading, rows = found.cells("operator")
    nodes, each = found.cells("node")
    left = len(each) - ROWS
    more = f'<p class="fw-muted">and {left:,} more: see .to_pandas()</p>' if left > 0 else ""
    table = html.table(nodes, each[:ROWS], numeric=("output", "time", "share")) + more
    return html.card(
        html.heading(f"{found.model}: {format_seconds(found.seconds)} a run"),
        f'<p class="fw-conditions">{html.escape(found.conditions_text)}</p>',
        html.table(heading, rows, numeric=heading[1:]),
        html.folded(f"{len(each):,} nodes", table),
    )
