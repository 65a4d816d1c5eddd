"""A history as HTML: a row for each run."""

from __future__ import annotations

from workbench.bench.past.history import History
from workbench.bench.past.text import COLUMNS, heading, history_rows
from workbench.views import html


def history_card(history: History) -> str:
    """Return a table of the last runs, the newest first."""
    return html.card(html.heading(heading(history)), history_table(history) if history.runs else "")


def history_table(history: History, *, question: bool = True) -> str:
    """Return the table alone; what was raced is left out where the heading above it says that."""
    places = [at for at, name in enumerate(COLUMNS) if question or name != "race"]
    columns = [COLUMNS[at] for at in places]
    rows = [[row[at] for at in places] for row in history_rows(history)[::-1]]
    return html.table(columns, rows, numeric=COLUMNS[:1], wrapped=(COLUMNS[2], *COLUMNS[4:]))
