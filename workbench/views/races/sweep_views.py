"""A sweep as it grows and a roofline, as widgets: the answer, the charts, and the numbers folded away."""

from __future__ import annotations

import ipywidgets as widgets
import plotly.graph_objects as go

from workbench.bench.rooflines.roofline import Roofline
from workbench.bench.sweeps.swept import Sweep
from workbench.views import html, template
from workbench.views.files import Files

from . import roofline_chart, sweep_card, sweep_chart


class SweepView(widgets.VBox):  # type: ignore[misc]
    """Time and speed-up over size; :meth:`show` takes the next state of a sweep that grows."""

    def __init__(self, sweep: Sweep) -> None:
        self._answer, self._notes, self._numbers = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.files = Files(sweep, f"{sweep.op} over sizes")
        self.figures: list[go.FigureWidget] = []
        super().__init__()
        self.show(sweep)

    def show(self, sweep: Sweep) -> None:
        """Show a sweep in place of what stands here."""
        self._answer.value = sweep_card.sweep_answer(sweep)
        self._notes.value = sweep_card.sweep_notes(sweep)
        self._numbers.value = html.folded("Numbers", sweep_card.sweep_numbers(sweep))
        self.files.of = sweep
        # New ones, since a live figure that is redrawn before or while it appears keeps its first width for good.
        self.figures = [template.live(chart) for chart in _charts(sweep)]
        self.children = [self._answer, *self.figures, self._notes, self._numbers, self.files]


class RooflineView(widgets.VBox):  # type: ignore[misc]
    """A roofline: what is nearest to its ceiling, the chart, and the numbers folded."""

    def __init__(self, roofline: Roofline) -> None:
        self.figure = template.live(roofline_chart.roofline(roofline, title=False))
        answer = widgets.HTML(sweep_card.roofline_answer(roofline))
        numbers = widgets.HTML(html.folded("Numbers", sweep_card.roofline_numbers(roofline)))
        self.files = Files(roofline, "roofline")
        super().__init__([answer, self.figure, numbers, self.files])


def _charts(sweep: Sweep) -> list[go.Figure]:
    return [sweep_chart.times(sweep, title=False), sweep_chart.speedups(sweep, title=False)]
