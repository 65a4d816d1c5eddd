"""The plotly template: one look for all figures, in colours that figure.css turns into the page's own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
import plotly.io

from . import html, theme

PAPER = "#fefefe"
INK = "#1c2024"
MUTED = "#626b75"
LINE = "#dfe3e6"
SHADE = "#f6f7f8"
ACCENT = "#0067a8"
ALARM = "#b3261e"
"""Keys of figure.css: on a page without it they are a readable light figure; with it each follows the theme."""

NOT_FINITE = "#8c8c8c"
NEGATIVE, POSITIVE = (0, 114, 178), (213, 94, 0)

FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'


def figure(*traces: Any, height: int, **layout: Any) -> go.Figure:
    """Return a plotly figure in the workbench's look.

    Parameters
    ----------
    traces
        Of plotly's graph objects.
    height
        In pixels; the width is that of the place where the figure is shown.
    layout
        More of plotly's layout, over the template's.
    """
    return Figure(data=list(traces), layout={"template": template(), "height": height, **layout})


class Figure(go.Figure):  # type: ignore[misc]
    """A plotly figure that brings the style sheet which makes it follow the page's theme.

    JupyterLab shows only one form of an output, for a figure plotly's own, so the sheet is an output before it.
    """

    def _ipython_display_(self) -> None:
        if "plotly_mimetype" in (plotly.io.renderers.default or "") and plotly.io.renderers.render_on_display:
            from IPython.display import display

            display({"text/html": sheet(), "text/plain": ""}, raw=True)  # type: ignore[no-untyped-call]
        super()._ipython_display_()


def sheet() -> str:
    """Return the style sheet of figures as HTML that shows nothing itself."""
    return f"<style>{theme.css('tokens', 'figure')}</style>"


def template() -> go.layout.Template:
    """Return the template; it holds no more than what differs from plotly's plain white."""
    axis = {
        "gridcolor": LINE,
        "linecolor": LINE,
        "zerolinecolor": LINE,
        "zerolinewidth": 1,
        "ticks": "",
        "tickfont": {"size": 12, "color": MUTED},
        "title": {"font": {"size": 12, "color": MUTED}, "standoff": 10},
        "automargin": True,
        "exponentformat": "SI",
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": PAPER,
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 13, "color": INK},
            "title": {
                "font": {"size": 16, "color": INK, "weight": 600},
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 17, "l": 2},
            },
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "showlegend": False,
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": SHADE, "bordercolor": LINE, "font": {"color": INK, "size": 12}, "align": "left"},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
            "dragmode": False,
            "xaxis": axis,
            "yaxis": axis,
            "uniformtext": {"minsize": 11, "mode": "hide"},
        }
    )


def live(drawn: go.Figure) -> go.FigureWidget:
    """Return a figure as a widget for a live panel: it can change and be clicked, and has no tool bar."""
    widget = go.FigureWidget(drawn)
    widget._config = {"displayModeBar": False, "responsive": True, "displaylogo": False}
    return widget


def redraw(widget: go.FigureWidget, drawn: go.Figure) -> None:
    """Make a live figure show another one with as many traces, in one step and without building it anew."""
    with widget.batch_update():
        for shown, wanted in zip(widget.data, drawn.data, strict=True):
            shown.update(wanted.to_plotly_json(), overwrite=True)
        widget.layout.update(drawn.layout.to_plotly_json(), overwrite=True)
        widget.layout.annotations = drawn.layout.annotations


def note(text: str) -> dict[str, Any]:
    """Return a sentence in the middle of a figure that has nothing to draw."""
    place = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    return {"text": text, "showarrow": False, "font": {"color": MUTED, "size": 13}, **place}


def heading(first: str, doubts: Iterable[str], small: Iterable[str]) -> str:
    """Return a title: the answer, what is wrong or in doubt, and the conditions, each smaller than what is above."""
    warnings = [ink(wrap(doubt, 78), ALARM, size=13) for doubt in doubts]
    return "<br>".join([wrap(first, 56), *warnings, *(ink(wrap(line, 84), MUTED, size=12) for line in small)])


def ink(text: str, colour: str, *, size: int | None = None) -> str:
    """Return words of plotly's in another colour, and in a plain weight of another size if one is given."""
    style = f"font-size:{size}px;font-weight:400;" if size else ""
    return f'<span style="{style}color:{colour}">{text}</span>'


def wrap(text: str, width: int) -> str:
    """Break a sentence into lines for a title, which plotly does not do; text is escaped for plotly's own tags."""
    return "<br>".join(plain(line, width) for line in textwrap.wrap(text, width)) or " "


def plain(text: object, limit: int = 80) -> str:
    """Return text that plotly shows as it is, in place of reading tags in it; the middle of a long one is left out."""
    return html.shorten(str(text), limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
