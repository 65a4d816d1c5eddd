"""What a batcher did, as HTML."""

from __future__ import annotations

from workbench.pipelines.batching.metrics import BatchMetrics
from workbench.views import html


def metrics_card(metrics: BatchMetrics) -> str:
    """Return the numbers, and the sizes of the batches to open."""
    return html.card(html.heading(metrics.heading), metrics_body(metrics))


def metrics_body(metrics: BatchMetrics) -> str:
    """Return the same without the sum in one line."""
    table = html.table(("size", "batches"), metrics.sizes, numeric=("batches",)) if metrics.sizes else ""
    sizes = html.folded("Sizes of the batches", table) if table else ""
    return html.facts(metrics.facts) + sizes
