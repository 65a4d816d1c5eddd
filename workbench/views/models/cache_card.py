"""What a cache of models holds, as HTML."""

from __future__ import annotations

from workbench.models.cache.contents import COLUMNS, CacheContents, CachedModel, Pruned, row
from workbench.views import html

ROWS = 200
"""A static table shows at most so many models."""


def contents_card(contents: CacheContents) -> str:
    """Return the sum and a row for each model, those first that would go first."""
    return html.card(html.heading(contents.heading), _table(contents.models))


def pruned_card(pruned: Pruned) -> str:
    """Return the sum and a row for each model that went."""
    return html.card(html.heading(pruned.heading), _table(pruned.models))


def _table(models: tuple[CachedModel, ...]) -> str:
    left = len(models) - ROWS
    more = f'<p class="fw-muted">and {left:,} more: see .to_pandas()</p>' if left > 0 else ""
    return html.table(COLUMNS, map(row, models[:ROWS]), numeric=COLUMNS[1:3]) + more if models else ""
