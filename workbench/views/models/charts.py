"""The figures of a tensor: how often which values occur, and a slice of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.models.model import Tensor
from workbench.views import html, template

from .window import Window

HEIGHT = 250


def histogram(tensor: Tensor) -> go.Figure:
    """Draw how often which values occur in a tensor, in equal bins, counts on a log axis.

    Values that are not finite are left out. An empty tensor, or one with no finite value, gives a figure that says so.
    """
    stats = tensor.stats()
    counts, edges = np.asarray(stats.histogram, dtype=np.int64), np.asarray(stats.edges, dtype=np.float64)
    some = counts > 0  # a logarithm shows no empty bin
    filled = bool(some.any())
    top = math.log10(2 * max(int(counts.max(initial=1)), 5))
    lows, highs, counts = edges[:-1][some], edges[1:][some], counts[some]
    bars = go.Bar(
        x=(lows + highs) / 2,
        y=counts,
        width=highs - lows,
        marker={"color": template.ACCENT, "line": {"width": 0.5, "color": template.PAPER}},
        customdata=[
            f"{html.number(low)} to {html.number(high)}<br>{count:,} elements"
            for low, high, count in zip(lows, highs, counts, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        name="count",
    )
    return template.figure(
        bars,
        height=HEIGHT,
        bargap=0,
        xaxis={"title": {"text": "value"}, "showgrid": False, "visible": filled, "nticks": 7},
        yaxis={
            "type": "log",
            "title": {"text": "elements (log)"},
            "visible": filled,
            "dtick": 1,
            "range": [-0.15, top],
        },
        annotations=[] if filled else [template.note("No finite values to count.")],
    )


def heatmap(window: Window) -> go.Figure:
    """Draw a slice of a tensor: blue below zero, orange above, the page's own colour at zero, grey where not finite."""
    values = window.values
    finite = np.isfinite(values)
    limit = heat_limit(window)
    rows = np.arange(window.place.row, window.place.row + values.shape[0])
    columns = np.arange(window.place.column, window.place.column + values.shape[1])
    places = {"x": columns, "y": rows, "xgap": 1, "ygap": 1, "showscale": False}
    negative, positive = (",".join(map(str, colour)) for colour in (template.NEGATIVE, template.POSITIVE))
    drawn = go.Heatmap(
        z=_where(finite, values),
        zmin=-limit,
        zmax=limit,
        # no colour at all at zero: the page shows through, so that zero is white on white and black on black
        colorscale=[
            [0.0, f"rgba({negative},1)"],
            [0.5, f"rgba({negative},0)"],
            [0.5, f"rgba({positive},0)"],
            [1.0, f"rgba({positive},1)"],
        ],
        hoverongaps=False,
        hovertemplate="row %{y}, column %{x}<br>%{z:.6g}<extra></extra>",
        name="values",
        **places,
    )
    special = go.Heatmap(
        z=_where(~finite, np.ones_like(values)),
        visible=not bool(finite.all()),
        colorscale=[[0, template.NOT_FINITE], [1, template.NOT_FINITE]],
        customdata=np.where(finite, "", np.vectorize(html.number, otypes=[object])(values)) if values.size else None,
        hoverongaps=False,
        hovertemplate="row %{y}, column %{x}<br>%{customdata}<extra></extra>",
        name="not finite",
        **places,
    )
    axis = {"showgrid": False, "zeroline": False, "nticks": 8, "tickformat": "d"}
    return template.figure(
        drawn,
        special,
        height=HEIGHT,
        xaxis={**axis, "title": {"text": "column"}, "visible": values.size > 0},
        yaxis={**axis, "title": {"text": "row"}, "autorange": "reversed", "visible": values.size > 0},
        annotations=[] if values.size else [template.note("No elements to show.")],
    )


def heat_limit(window: Window) -> float:
    """Return the magnitude that has the full colour: one value in fifty is larger, so that outliers do not pale all."""
    magnitudes = np.abs(window.values[np.isfinite(window.values)])
    limit = float(np.percentile(magnitudes, 98)) if magnitudes.size else 0.0
    return limit or (float(magnitudes.max()) if magnitudes.size else 0.0) or 1.0


def heat_key(window: Window) -> str:
    """Return what the colours of :func:`heatmap` mean, as HTML."""
    limit = html.number(heat_limit(window))
    keys = [(template.NEGATIVE, f"\N{MINUS SIGN}{limit}"), (template.POSITIVE, f"+{limit}")]
    blue, orange = (f'<i class="fw-swatch" style="background:rgb{colour}"></i>{text}' for colour, text in keys)
    grey = f' \N{MIDDLE DOT} <i class="fw-swatch" style="background:{template.NOT_FINITE}"></i>not finite'
    return f"{blue} or less, none at 0, {orange} or more{'' if np.isfinite(window.values).all() else grey}"


def no_values(text: str) -> go.Figure:
    """Return the frame of :func:`histogram` with a sentence in place of the bars."""
    return template.figure(go.Bar(), height=HEIGHT, annotations=[template.note(text)])


def no_cells(text: str) -> go.Figure:
    """Return the frame of :func:`heatmap` with a sentence in place of the cells."""
    return template.figure(go.Heatmap(), go.Heatmap(), height=HEIGHT, annotations=[template.note(text)])


def _where(chosen: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> list[list[float | None]]:
    """Return the chosen values, and None for the others: JSON has no NaN."""
    return [
        [value if take else None for take, value in zip(*row, strict=True)]
        for row in zip(chosen.tolist(), values.tolist(), strict=True)
    ]
