"""The app: Load, Inspect, Race, Pipelines and Ring in one widget, around one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as widgets

from workbench.bench.race import Race
from workbench.models.model import Model
from workbench.text import format_bytes, format_count
from workbench.views.models.inspector import Inspector
from workbench.views.models.load_panel import LoadPanel
from workbench.views.pipelines.panel import PipelinePanel
from workbench.views.races.race_panel import RacePanel
from workbench.views.ring.panel import RingPanel

from . import controls, html, theme
from .machine import machine_chips

TABS = ("Load", "Inspect", "Race", "Pipelines", "Ring")


class Workbench(widgets.VBox):  # type: ignore[misc]
    """Load a model, see what is in it, race its operations, ask it, let it work in kernels: all in one widget.

    Everything it does is a plain function that works without it; each panel ends with the code that does the same.

    Parameters
    ----------
    source
        A model to load at once, as :func:`workbench.load` takes it; None to begin empty.
    folder
        Where the file picker begins; the kernel's current folder if None.
    options
        More arguments of :func:`workbench.load`.

    Attributes
    ----------
    load_panel, race_panel, pipeline_panel, ring_panel
        The panels, with their own attributes: ``app.race_panel.operation.value = "softmax"``.
    inspector
        The Inspect panel.

    Examples
    --------
    >>> import workbench as wb
    >>> app = wb.Workbench()
    >>> app
    Workbench(model=None, race=None)
    """

    def __init__(self, source: Any = None, *, folder: str | Path | None = None, **options: Any) -> None:
        self.inspector = Inspector()
        self.header, self._machine = widgets.HTML(), machine_chips()
        self.load_panel = LoadPanel(self._show_model, folder)
        self.race_panel = RacePanel()
        self.pipeline_panel = PipelinePanel(lambda: self.load_panel.code)
        self.ring_panel = RingPanel()
        panels = [self.load_panel, self.inspector, self.race_panel, self.pipeline_panel, self.ring_panel]
        self.tabs = widgets.Tab(panels, titles=TABS)
        super().__init__([theme.style(), self.header, self.tabs], _dom_classes=("fw", "fw-app"))
        self._show_header()
        self._ask = self._link("Ask it", "Pipelines")
        self.load_panel.next.children = [
            self._link("Inspect its tensors", "Inspect"),
            self._link("Race its operations", "Race"),
            self._ask,
        ]
        if source is not None:
            self.load(source, **options)

    @property
    def model(self) -> Model | None:
        """The loaded model, or None."""
        return self.load_panel.model

    @property
    def race(self) -> Race | None:
        """The last finished race, or None."""
        return self.race_panel.race

    def load(self, source: Any, **options: Any) -> Model:
        """Load a model, show it in every panel, and return it; arguments and errors as :func:`workbench.load`."""
        return self.load_panel.load(source, **options)

    def select(self, tab: str) -> None:
        """Bring a panel to the front: ``"Load"``, ``"Inspect"``, ``"Race"``, ``"Pipelines"`` or ``"Ring"``."""
        self.tabs.selected_index = TABS.index(tab)

    def close(self) -> None:
        """End what the panels have under way, and give back what they hold: an open pipeline, a runtime."""
        self.pipeline_panel.close_pipe()
        for panel in self.tabs.children:
            panel.close()
        super().close()

    def __repr__(self) -> str:
        model = self.model.info.name if self.model is not None else None
        race = self.race.verdict if self.race is not None else None
        return f"Workbench(model={model!r}, race={race!r})"

    def _show_model(self, model: Model) -> None:
        self._show_header()
        self.inspector.show(model)
        self.race_panel.show_model(model)
        self.pipeline_panel.show_model(model)
        controls.show(self._ask, self.pipeline_panel.settings.takes(model))

    def _show_header(self) -> None:
        chips = [_model_chip(self.model)] if self.model is not None else []
        self.header.value = (
            f'<div class="fw-header"><span class="fw-title">Fusion Workbench</span>{"".join(chips)}'
            f'<span class="fw-machine">{self._machine}</span></div>'
        )

    def _link(self, label: str, tab: str) -> widgets.Button:
        button = controls.button(label)
        button.on_click(lambda _: self.select(tab))
        return button


def _model_chip(model: Model) -> str:
    info = model.info
    facts = [info.format, format_count(info.parameters), format_bytes(info.nbytes), next(iter(info.dtypes), "")]
    rest = "".join(f" \N{MIDDLE DOT} {html.escape(fact)}" for fact in facts if fact)
    return f'<span class="fw-chip"><b>{html.escape(info.name)}</b>{rest}</span>'
