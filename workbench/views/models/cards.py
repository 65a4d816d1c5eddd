"""HTML pictures of the values: models, tensors, tables and statistics; self-contained, with no script."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from workbench.arrays import TensorSpec
from workbench.text import format_bytes, format_shape, format_share
from workbench.views import html

if TYPE_CHECKING:
    from workbench.models.model import ModelInfo, Tensor, TensorTable
    from workbench.models.stats import TensorStats

ROWS = 200
"""A static table shows at most so many tensors."""
_PORTS = 30
_ORIGINS = {"stored": "", "constant": "a node's value", "filled": "one value, repeated when the model runs"}


def model_card(info: ModelInfo) -> str:
    """Return a model's description: its size at a glance, then its inputs and outputs."""
    ports = [("input", spec) for spec in info.inputs] + [("output", spec) for spec in info.outputs]
    rows = [(spec.name, kind, spec.dtype, _dimensions(spec)) for kind, spec in ports]
    shown = html.table(("name", "", "dtype", "shape"), rows[:_PORTS]) if rows else ""
    left = len(rows) - _PORTS
    more = f'<p class="fw-muted">and {left} more inputs and outputs: see .inputs and .outputs</p>' if left > 0 else ""
    return html.card(html.heading(info.name or "unnamed model", info.format), html.facts(info.facts), shown, more)


def tensor_card(tensor: Tensor) -> str:
    """Return a tensor's dtype, shape and bytes; its values are not read."""
    return html.card(
        html.heading(tensor.name),
        html.facts(tensor_facts(tensor)),
        '<p class="fw-muted">values: <code>.numpy()</code>, statistics: <code>.stats()</code></p>',
    )


def tensor_facts(tensor: Tensor) -> list[tuple[str, str]]:
    """Return a tensor's dtype, shape, elements and bytes, as names with values."""
    return [
        ("dtype", tensor.dtype),
        ("shape", html.shape_text(tensor.shape)),
        ("elements", f"{tensor.size:,}"),
        ("bytes", format_bytes(tensor.nbytes)),
        ("origin", _ORIGINS.get(tensor.origin, tensor.origin)),
    ]


def tensor_table(table: TensorTable) -> str:
    """Return a table of the first 200 tensors in the file's order; says how many are left."""
    if not len(table):
        return html.card(html.heading("No tensors", "This model stores no weights."))
    rows = [
        (tensor.name, tensor.dtype, html.shape_text(tensor.shape), format_bytes(tensor.nbytes))
        for tensor in itertools.islice(table.values(), ROWS)
    ]
    left = len(table) - len(rows)
    more = f'<p class="fw-muted">and {left:,} more: see .to_pandas()</p>' if left else ""
    return html.card(
        html.heading(f"{len(table):,} tensors, {format_bytes(table.nbytes)}"),
        html.table(("tensor", "dtype", "shape", "bytes"), rows, numeric=("shape", "bytes")),
        more,
    )


def stats_card(stats: TensorStats) -> str:
    """Return statistics and a small histogram."""
    note = "magnitudes of complex numbers" if stats.magnitudes else ""
    return html.card(html.heading(f"{stats.count:,} values", note), html.facts(stats_facts(stats)), _histogram(stats))


def stats_facts(stats: TensorStats) -> list[tuple[str, str]]:
    """Return statistics as names with values; those that need a finite value are left out where there is none."""
    spread = [
        ("minimum", html.number(stats.minimum)),
        ("maximum", html.number(stats.maximum)),
        ("mean", html.number(stats.mean)),
        ("std", html.number(stats.std)),
    ]
    share = f" ({format_share(stats.zeros / stats.count)})" if stats.zeros else ""
    counts = [("zeros", f"{stats.zeros:,}{share}"), ("NaN", f"{stats.nans:,}"), ("infinite", f"{stats.infs:,}")]
    return [*(spread if stats.finite else []), *counts]


def _dimensions(spec: TensorSpec) -> str:
    return format_shape(spec.shape) + (" optional" if spec.optional else "")


def _histogram(stats: TensorStats) -> str:
    most = max(stats.histogram, default=0)
    if not most:
        return ""
    width = 6
    bars = "".join(
        f'<rect x="{place * width}" y="{60 - tall:.1f}" width="{width - 1}" height="{tall:.1f}"/>'
        for place, count in enumerate(stats.histogram)
        if (tall := 60 * math.log1p(count) / math.log1p(most))
    )
    ends = f"{html.number(stats.edges[0])} to {html.number(stats.edges[-1])}"
    return (
        f'<svg class="fw-histogram" viewBox="0 0 {width * len(stats.histogram)} 60" width="384" height="60" role="img" '
        f'aria-label="histogram of the values from {ends}" preserveAspectRatio="none">{bars}</svg>'
        f'<p class="fw-muted">values from {ends}; up: elements (log)</p>'
    )
