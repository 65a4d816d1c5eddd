"""HTML pictures of an export and of a quantisation: what it gave, and the error of each output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.models.export.difference import Difference, format_cosine

from . import html

if TYPE_CHECKING:
    from workbench.models.export.to_onnx import Export


def export_card(export: Export) -> str:
    """Return an export to ONNX: from what, and how far each output is from torch."""
    return html.card(
        html.heading(f"{export.source} as ONNX"),
        html.facts(export.facts),
        differences_table(export.differences),
        f'<p class="fw-muted">Torch and ONNX Runtime on the same inputs: {html.escape("; ".join(export.checked))}.</p>',
    )


def differences_table(differences: Iterable[Difference]) -> str:
    """Return one row for each output: its largest error, the same on its own scale, and the cosine."""
    rows = [(one.output, f"{one.largest:.2g}", f"{one.relative:.2g}", format_cosine(one.cosine)) for one in differences]
    columns = ("output", "at most apart", "of its scale", "cosine")
    return html.table(columns, rows, numeric=columns[1:])
