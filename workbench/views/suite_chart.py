"""A suite's operation as a chart: how many times faster ours is than each other contender, cell by cell."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from workbench.bench.suite import Cell, Suite
from workbench.bench.suite_text import ratio_text
from workbench.bench.verdict import spelled
from workbench.text import format_sizes

from . import html, template, theme

_ROW = 26


def speedups(suite: Suite, op: str) -> go.Figure:
    """Draw a row for each cell and a dot with its interval for each other contender; right of 1 ours is faster."""
    cells = [cell for cell in suite.cells if cell.op == op and cell.ratios]
    rows = [_row(cell) for cell in cells]
    names = list(dict.fromkeys(name for cell in cells for name in cell.ratios))
    colours = theme.contender_colours(names)
    ends = [end for cell in cells for ratio in cell.ratios.values() for end in (ratio.low, ratio.high)]
    low, high = math.log10(min([*ends, 0.8])), math.log10(max([*ends, 1.25]))
    room = 0.04 * (high - low)
    return template.figure(
        *(_dots(cells, rows, name, colours[name]) for name in names),
        height=84 + _ROW * len(rows),
        margin={"t": 34, "l": 8, "r": 8, "b": 8},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": {"size": 12}, "itemclick": False},
        shapes=[
            {
                "type": "line",
                "x0": 1,
                "x1": 1,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": template.MUTED, "width": 1.5},
            }
        ],
        xaxis={
            "type": "log",
            "range": [low - room, high + room],
            "title": {"text": "how many times faster ours is (log), with 95 % interval; left of 1 it is slower"},
            **_ticks(low, high),
        },
        yaxis={
            "categoryorder": "array",
            "categoryarray": rows[::-1],
            "tickfont": {"color": template.INK, "size": 12},
            "ticklabelstandoff": 8,
            "range": [-0.7, len(rows) - 0.3],
        },
    )


def _dots(cells: list[Cell], rows: list[str], name: str, colour: str) -> go.Scatter:
    found = [(row, cell.ratios[name]) for row, cell in zip(rows, cells, strict=True) if name in cell.ratios]
    return go.Scatter(
        x=[ratio.value for _, ratio in found],
        y=[row for row, _ in found],
        mode="markers",
        marker={"color": colour, "size": 9, "line": {"width": 1, "color": template.PAPER}},
        error_x={
            "type": "data",
            "array": [ratio.high - ratio.value for _, ratio in found],
            "arrayminus": [ratio.value - ratio.low for _, ratio in found],
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        customdata=[f"{row}<br>{ratio_text(ratio)} times as fast as {spelled(name)}" for row, ratio in found],
        hovertemplate="%{customdata}<extra></extra>",
        name=spelled(name),
    )


def _row(cell: Cell) -> str:
    shape = format_sizes(cell.shape, html.MULTIPLICATION_SIGN)
    return f"{shape} {cell.dtype}{'' if cell.out else ', new'}"


def _ticks(low: float, high: float) -> dict[str, list[float] | list[str]]:
    """Return ticks at 1, 2 and 5 of each power of ten, or at fewer where there are many powers."""
    steps = (1.0, 2.0, 5.0) if high - low < 1.7 else (1.0, 3.0) if high - low < 2.6 else (1.0,)
    ticks = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
