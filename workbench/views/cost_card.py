"""What one run of a model costs, as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.text import format_shape

from . import html

if TYPE_CHECKING:
    from workbench.models.cost import ModelCost


def cost_card(cost: ModelCost) -> str:
    """Return the sums, the operators that they are made of, and what could not be told."""
    return html.card(cost_parts(cost))


def cost_parts(cost: ModelCost) -> str:
    """Return the inside of the card."""
    given = ", ".join(f"{name} {format_shape(shape)}" for name, shape in cost.inputs.items())
    columns = ("operator", "nodes", "MACs", "share", "activations")
    untold = "".join(f'<p class="fw-muted">{html.escape(sentence)}</p>' for sentence in cost.untold)
    return (
        html.heading("Cost of one run", f"for {given}" if given else "")
        + html.facts(cost.facts)
        + html.table(columns, cost.rows, numeric=columns[1:])
        + untold
    )
