"""What one run of a model costs, for sizes that the user chooses."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from workbench.models.model import Model
from workbench.views import controls, html
from workbench.views.status import error_html

from . import cost_card


class CostPanel(widgets.VBox):  # type: ignore[misc]
    """A field for each symbolic dimension, and the cost for these sizes; told at once where there are none.

    Parameters
    ----------
    model
        With a graph; see :attr:`has_graph`.

    Attributes
    ----------
    sizes
        The fields, by the names of the dimensions.
    result
        The cost as HTML.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        names = dict.fromkeys(size for spec in model.info.inputs for size in spec.shape or () if isinstance(size, str))
        self.sizes = {
            name: widgets.BoundedIntText(description=name, min=0, max=1 << 40, value=1, continuous_update=False)
            for name in names
        }
        self.button = controls.button("Tell the cost of a run")
        self.button.on_click(self.tell)
        self.result = widgets.HTML()
        super().__init__([widgets.HBox([*self.sizes.values(), self.button]).add_class("fw-row"), self.result])
        if not names:
            controls.show(self.button, False)
            self.tell()

    @staticmethod
    def has_graph(model: Model) -> bool:
        """Return whether the cost of a model can be told."""
        return bool(model.info.operators)

    @property
    def code(self) -> str:
        """The code that gives the same."""
        return controls.call("model.cost", **{name: field.value for name, field in self.sizes.items()})

    def tell(self, _: Any = None) -> None:
        """Show the cost for the sizes in the fields, or why it cannot be told."""
        try:
            cost = self._model.cost(**{name: field.value for name, field in self.sizes.items()})
        except Exception as error:
            self.result.value = error_html(error)
            return
        shown = html.folded("by operator", cost_card.operators(cost)) + cost_card.untold(cost)
        self.result.value = f"{html.facts(cost.facts)}<p><code>{html.escape(self.code)}</code></p>{shown}"
