"""HTML pictures of an export and of a quantisation: what it gave, and the error of each output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.models.export.difference import Difference, format_cosine
from workbench.views import html

if TYPE_CHECKING:
    from workbench.models.export.quantized import Quantized
    from workbench.models.export.to_onnx import Export


def export_card(export: Export) -> str:
    """Return an export to ONNX: from what, and how far each output is from torch."""
    return html.card(
        html.heading(f"{export.source} as ONNX"),
        html.facts(export.facts),
        differences_table(export.differences),
        f'<p class="fw-muted">Torch and ONNX Runtime on the same inputs: {html.escape("; ".join(export.checked))}.</p>',
    )


def quantized_card(quantized: Quantized) -> str:
    """Return a quantisation: what it costs in words, the sizes, and the error of each output."""
    return html.card(
        html.heading(f"{quantized.model.info.name}, {quantized.method}"),
        f'<p class="fw-verdict">{html.escape(quantized.verdict)}</p>',
        html.facts(quantized.facts),
        differences_table(quantized.differences),
        f'<p class="fw-muted">Against the model as it was, on inputs {html.escape(quantized.tried)}.</p>',
    )


def differences_table(differences: Iterable[Difference]) -> str:
    """Return one row for each output: its largest error, the same on its own scale, and the cosine."""
    rows = [(one.output, f"{one.largest:.2g}", f"{one.relative:.2g}", format_cosine(one.cosine)) for one in differences]
    columns = ("output", "at most apart", "of its scale", "cosine")
    return html.table(columns, rows, numeric=columns[1:])
