"""What is in a model: its size at a glance, its bytes by module, all of its tensors, and the values of a chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import pandas as pd
from itables import JavascriptFunction
from itables.widget import ITable

from workbench.errors import InputError
from workbench.models.model import Model, Tensor, TensorTable
from workbench.text import format_bytes
from workbench.views import html, theme
from workbench.views.code_footer import CodeFooter

from . import module_tree, modules
from .cost_panel import CostPanel
from .detail import TensorDetail
from .module_map import ModuleMap

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL_DTYPES, ALL_MODULES, EVERY = "all dtypes", "all modules", -1
PAGE = 8
EMPTY = (
    '<div class="fw-empty"><b>No model yet.</b>Load one, and its inputs, its tensors and their values are shown here. '
    "In a cell: <code>wb.inspect(wb.load(\N{HORIZONTAL ELLIPSIS}))</code></div>"
)

_MAP_NOTE = '<p class="fw-muted">Bytes by module. A click on one shows only its tensors in the table.</p>'


def inspect(model: Model) -> Inspector:
    """Return a widget that shows what is in a model.

    Parameters
    ----------
    model
        From :func:`workbench.load`.

    Raises
    ------
    workbench.errors.InputError
        If it is something else, such as a path.
    """
    if not isinstance(model, Model):
        raise InputError(
            f"inspect() takes a loaded model and received {type(model).__name__}. "
            f"Load it first: wb.inspect(wb.load({model!r}))."
        )
    return Inspector(model)


class Inspector(widgets.VBox):  # type: ignore[misc]
    """A model's description, a map of its bytes, a table of its tensors and the values of the one that is selected.

    Parameters
    ----------
    model
        What to show; None for the empty state.

    Attributes
    ----------
    model
        The model that is shown, or None.
    table
        The table of tensors, an ``ITable``; None in the empty state. Its trait ``selected_rows`` selects.
    cost
        What one run costs, a ``CostPanel``; None where the model has no graph.
    detail
        The part that shows the selected tensor.
    dtype, module
        The drop-down lists that filter the table.
    code_footer
        The line with the code that does the same.
    """

    def __init__(self, model: Model | None = None) -> None:
        self.model: Model | None = None
        self.code_footer = CodeFooter()
        self.detail = TensorDetail(self._update_code)
        self._body = widgets.VBox().add_class("fw-body")
        super().__init__([theme.style(), self._body, self.code_footer])
        for name in ("fw", "fw-panel"):
            self.add_class(name)
        self.show(model)

    def __repr__(self) -> str:
        return f"Inspector({self.model.info.name}: {len(self.model.tensors)} tensors)" if self.model else "Inspector()"

    def show(self, model: Model | None) -> None:
        """Show a model, or with None the empty state."""
        self.model = model
        self.table: ITable | None = None
        self.cost: CostPanel | None = None
        self._shown: list[str] = []
        self.detail.show(None)
        if model is None:
            self._body.children = [widgets.HTML(EMPTY)]
        else:
            self.cost = CostPanel(model) if CostPanel.has_graph(model) else None
            costs = [self.cost] if self.cost else []
            self._body.children = [widgets.HTML(_glance(model)), *costs, *self._tensor_parts(model.tensors)]
        self._update_code()

    def select(self, name: str | None) -> None:
        """Select a tensor by name, or none; filters that hide it are taken back."""
        if self.model is None or self.table is None:
            raise InputError("There is no model with tensors to select from; show one first.")
        if name is not None:
            self.model.tensors[name]  # an unknown name raises the error that teaches
            if name not in self._shown:
                self.dtype.value, self.module.value = ALL_DTYPES, EVERY
        if name is None:
            self.table.selected_rows = []
        else:
            self._fill_table(self._shown.index(name))

    @property
    def selected(self) -> Tensor | None:
        """The selected tensor."""
        return self.detail.tensor

    def _tensor_parts(self, tensors: TensorTable) -> list[widgets.Widget]:
        if not tensors:
            return [widgets.HTML('<div class="fw-empty"><b>No tensors.</b>This model stores no weights.</div>')]
        self._areas = modules.areas(tensors.values())
        self.dtype = _choice("dtype", [(ALL_DTYPES, ALL_DTYPES), *((dtype, dtype) for dtype in _dtypes(tensors))])
        places = ((_area(area), index) for index, area in enumerate(self._areas))
        self.module = _choice("module", [(ALL_MODULES, EVERY), *places])
        self.map = ModuleMap(self._areas)
        self.map.observe(lambda change: setattr(self.module, "value", change["new"]), "chosen")
        for control in (self.dtype, self.module):
            control.observe(self._filter, "value")
        self.count = widgets.HTML()
        self.table = ITable(**_table_options(0), selected_rows=[])
        self.table.observe(self._chosen, "selected_rows")
        self._filter(None)
        return [
            *([widgets.HTML(_MAP_NOTE), self.map, widgets.HTML(_tree(tensors))] if len(self._areas) > 1 else []),
            widgets.HBox([self.dtype, self.module, self.count]).add_class("fw-row"),
            self.table,
            self.detail,
        ]

    def _filter(self, _: Any) -> None:
        assert self.model is not None and self.table is not None
        tensors = self.model.tensors
        self.map.chosen = self.module.value
        within = tensors if self.module.value == EVERY else set(self._areas[self.module.value].names)
        self._shown = [
            name
            for name, tensor in tensors.items()
            if self.dtype.value in (ALL_DTYPES, tensor.dtype) and name in within
        ]
        selected = self.selected
        self._fill_table(self._shown.index(selected.name) if selected and selected.name in self._shown else None)
        nbytes = format_bytes(sum(tensors[name].nbytes for name in self._shown))
        self.count.value = f'<p class="fw-muted">{len(self._shown):,} of {len(tensors):,} tensors, {nbytes}</p>'

    def _fill_table(self, row: int | None) -> None:
        """Fill the table with what is shown, and turn to the page of the row that is selected."""
        assert self.model is not None and self.table is not None
        frame = _frame([self.model.tensors[name] for name in self._shown])
        start = 0 if row is None else row - row % PAGE
        with self.table.hold_trait_notifications():
            self.table.update(frame, **_table_options(start), selected_rows=[] if row is None else [row])

    def _chosen(self, change: Any) -> None:
        assert self.model is not None
        tensor = self.model.tensors[self._shown[change["new"][0]]] if change["new"] else None
        if tensor is not self.selected:
            self.detail.show(tensor)

    def _update_code(self) -> None:
        nothing_chosen = "wb.inspect(model)" if self.model else 'wb.inspect(wb.load("model.onnx"))'
        self.code_footer.code = self.detail.code or nothing_chosen


def _tree(tensors: TensorTable) -> str:
    return html.folded("All modules with their shares", module_tree.tree(tensors.tree()))


def _glance(model: Model) -> str:
    info = model.info
    inputs = [str(spec) for spec in info.inputs]
    shown = ", ".join(inputs[:3]) + (f" and {len(inputs) - 3} more" if len(inputs) > 3 else "")
    pairs = [("inputs", shown), *info.facts, ("tensors", f"{len(model.tensors):,}")]
    return html.heading(info.name or "unnamed model", info.format) + html.facts(pairs)


def _dtypes(tensors: Mapping[str, Tensor]) -> list[str]:
    return sorted({tensor.dtype for tensor in tensors.values()})


def _area(area: modules.Area) -> str:
    return f"{html.shorten(area.label, 60)} ({area.tensors})"


def _choice(name: str, options: list[tuple[str, Any]]) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, tooltip=f"show only one {name}", layout=widgets.Layout(width="auto"))


def _frame(tensors: list[Tensor]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tensor": [tensor.name for tensor in tensors],
            "dtype": [tensor.dtype for tensor in tensors],
            "shape": [html.shape_text(tensor.shape) for tensor in tensors],
            "elements": [tensor.size for tensor in tensors],
            "bytes": [tensor.nbytes for tensor in tensors],
        }
    )


def _table_options(start: int) -> dict[str, Any]:
    thousands = "function(data, type) { return type === 'display' ? Number(data).toLocaleString('en') : data; }"
    return {
        "select": {"style": "single", "keys": True},
        "maxBytes": 0,
        "classes": "fw-tensors",
        "style": "width:100%;table-layout:auto;margin:0",
        "showIndex": False,
        "displayStart": start,
        "warn_on_undocumented_option": False,  # of which displayStart is one
        "pageLength": PAGE,
        "autoWidth": False,
        "lengthMenu": [PAGE, 25, 100, {"label": "all", "value": -1}],
        "order": [],
        "layout": {"topStart": "search", "topEnd": None, "bottomStart": "info", "bottomEnd": ["pageLength", "paging"]},
        "language": {
            "select": {"rows": ""},
            "search": "",
            "searchPlaceholder": "search names",
            "info": "_START_ to _END_ of _TOTAL_",
            "infoFiltered": "(of _MAX_)",
            "infoEmpty": "none",
            "zeroRecords": "No tensor has that in its name. Clear the search to see all.",
            "lengthMenu": "_MENU_ on a page",
        },
        "columnDefs": [
            {"targets": [2, 3, 4], "className": "fw-num"},
            {"targets": [3, 4], "render": JavascriptFunction(thousands)},
        ],
    }
