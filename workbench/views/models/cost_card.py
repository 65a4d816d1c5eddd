"""What one run of a model costs, as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.text import format_shape
from workbench.views import html

if TYPE_CHECKING:
    from workbench.models.cost import ModelCost


def cost_card(cost: ModelCost) -> str:
    """Return the sums, the operators that they are made of, and what could not be told."""
    given = ", ".join(f"{name} {format_shape(shape)}" for name, shape in cost.inputs.items())
    heading = html.heading("Cost of one run", f"for {given}" if given else "")
    return html.card(heading, html.facts(cost.facts), operators(cost), untold(cost))


def operators(cost: ModelCost) -> str:
    """Return a table of the operators."""
    columns = ("operator", "nodes", "MACs", "share", "activations")
    return html.table(columns, cost.rows, numeric=columns[1:])


def untold(cost: ModelCost) -> str:
    """Return what could not be told, a line for each."""
    return "".join(f'<p class="fw-muted">{html.escape(sentence)}</p>' for sentence in cost.untold)
