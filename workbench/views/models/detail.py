"""What one tensor holds: its statistics, a histogram of its values and a slice of them as a heat map."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

from workbench.models.model import Tensor
from workbench.text import format_bytes
from workbench.views import html, template
from workbench.views.status import error_html

from . import cards, charts, window

AT_ONCE = 4_000_000
"""Bytes that are read while the user waits; a larger tensor is read in a thread."""
_TEXTS = 20


class TensorDetail(widgets.VBox):  # type: ignore[misc]
    """Shows one tensor; a large one is read in a thread, and what is no longer asked for by then is dropped.

    Parameters
    ----------
    changed
        Called without arguments when the code that shows the same has changed; see :attr:`code`.
    """

    _compiled = False
    """Whether there were statistics before in this process: the first take a second, or many on a new machine."""

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self.tensor: Tensor | None = None
        self._changed: Callable[[], None] = lambda: None
        self._reading = threading.Lock()
        self._reader: threading.Thread | None = None
        self.head = widgets.HTML()
        self.status = widgets.HTML().add_class("fw-status")
        self.histogram = template.live(charts.no_values("Nothing counted yet."))
        self.heatmap = template.live(charts.no_cells("Nothing read yet."))
        self.matrix, self.row, self.column = (_offset(name) for name in ("matrix", "first row", "first column"))
        for control in (self.matrix, self.row, self.column):
            control.observe(self._moved, "value")
        self.slice_title = widgets.HTML()
        offsets = widgets.HBox([self.matrix, self.row, self.column]).add_class("fw-row")
        left = widgets.VBox(
            [widgets.HTML(html.heading("Values", "how many elements lie where, in bins of one width")), self.histogram]
        )
        right = widgets.VBox([self.slice_title, self.heatmap, offsets])
        self._pictures = widgets.HBox([left, right]).add_class("fw-halves")
        super().__init__([self.head, self.status, self._pictures])
        self.add_class("fw-detail")
        self.show(None)
        if changed is not None:
            self._changed = changed

    @property
    def code(self) -> str:
        """The code that gives the same numbers; empty if no tensor is shown."""
        if self.tensor is None:
            return ""
        code = f"tensor = model.tensors[{self.tensor.name!r}]\ntensor.stats()"
        if self.tensor.dtype == "string":
            return code.replace("tensor.stats()", "tensor.numpy()")
        return f"{code}\n{self._place().code('tensor')}"

    def show(self, tensor: Tensor | None) -> None:
        """Show a tensor, or with None what to do to see one."""
        self.tensor, self._reader = tensor, None
        self._pictures.layout.display = "none"
        self.status.value = ""
        if tensor is None:
            self.head.value = '<p class="fw-muted">Choose a row to see its values.</p>'
            self._changed()
            return
        self.head.value = _head(tensor)
        self._set_offsets(tensor)
        self._changed()
        if tensor.nbytes <= AT_ONCE and TensorDetail._compiled:
            self._read(tensor)
            return
        what = format_bytes(tensor.nbytes) if TensorDetail._compiled else "it; the first time, the compiler is loaded"
        self.status.value = f'<div role="status">reading {what}\N{HORIZONTAL ELLIPSIS}</div>'
        self._reader = threading.Thread(target=self._read_later, args=(tensor,), name="workbench-inspect", daemon=True)
        self._reader.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until what was asked for is shown; return False if that takes longer than ``timeout`` seconds."""
        reader = self._reader
        if reader is not None:
            reader.join(timeout)
        return reader is None or not reader.is_alive()

    def _read_later(self, tensor: Tensor) -> None:
        with self._reading:  # one at a time: who clicks through ten large tensors reads the last one
            if self.tensor is tensor:
                self._read(tensor)

    def _read(self, tensor: Tensor) -> None:
        try:
            if tensor.dtype == "string":
                shown = _head(tensor) + _texts(tensor)
                if self.tensor is tensor:
                    self.head.value = shown
                    self.status.value = ""
                return
            stats = tensor.stats()
            TensorDetail._compiled = True
            if self.tensor is not tensor:
                return
            template.redraw(self.histogram, charts.histogram(tensor))
            self._cut(tensor)
        except Exception as error:
            if self.tensor is tensor:
                self.status.value = error_html(error)
            return
        self.head.value = _head(tensor) + html.facts(cards.stats_facts(stats))
        self.status.value = ""
        self._pictures.layout.display = ""

    def _cut(self, tensor: Tensor) -> None:
        cut = self._place().cut(tensor)
        template.redraw(self.heatmap, charts.heatmap(cut))
        self.slice_title.value = html.heading("A slice of it", cut.caption) + (
            f'<p class="fw-muted">{charts.heat_key(cut)}</p>' if cut.values.size else ""
        )

    def _place(self) -> window.Place:
        assert self.tensor is not None
        return window.Place.within(self.tensor.shape, self.matrix.value, self.row.value, self.column.value)

    def _moved(self, _: Any) -> None:
        tensor = self.tensor
        if tensor is None or self._pictures.layout.display == "none":
            return
        try:
            self._cut(tensor)
        except Exception as error:
            self.status.value = error_html(error)
        self._changed()

    def _set_offsets(self, tensor: Tensor) -> None:
        height, width = (1, 1, *tensor.shape)[-2:]
        ends = (window.matrices(tensor.shape) - 1, height - window.ROWS, width - window.COLUMNS)
        for control, end in zip((self.matrix, self.row, self.column), ends, strict=True):
            control.value, control.max = 0, max(end, 0)
            control.layout.display = "" if end > 0 else "none"


def _offset(name: str) -> widgets.BoundedIntText:
    steps = {"first row": window.ROWS, "first column": window.COLUMNS}
    control = widgets.BoundedIntText(description=name, min=0, max=0, step=steps.get(name, 1), continuous_update=False)
    control.add_class("fw-offset")
    return control


def _head(tensor: Tensor) -> str:
    return html.heading(tensor.name) + html.facts(cards.tensor_facts(tensor))


def _texts(tensor: Tensor) -> str:
    values = np.asarray(tensor.numpy()).reshape(-1)
    rows = [(place, html.shorten(_decoded(value), 120)) for place, value in enumerate(values[:_TEXTS].tolist())]
    left = values.size - len(rows)
    more = f'<p class="fw-muted">and {left:,} more: see .numpy()</p>' if left else ""
    return html.table(("element", "text"), rows) + more


def _decoded(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
