"""A history as HTML: a row for each run."""

from __future__ import annotations

from workbench.bench.history import History
from workbench.bench.history_text import COLUMNS, heading, history_rows

from . import html


def history_card(history: History) -> str:
    """Return a table of the last runs, the newest first."""
    rows = history_rows(history)[::-1]
    return html.card(html.heading(heading(history)), html.table(COLUMNS, rows, numeric=COLUMNS[:1]) if rows else "")
