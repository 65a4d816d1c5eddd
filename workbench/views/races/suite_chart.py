"""A suite's operation as a chart: how many times faster ours is than each other contender, cell by cell."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench.bench.race import Ratio
from workbench.bench.suites.headlines import THEIRS, raced
from workbench.bench.suites.suite import OURS, Cell, Suite
from workbench.bench.suites.text import ratio_text
from workbench.bench.verdict import spelled
from workbench.text import format_sizes
from workbench.views import html, log_axes, template, theme

_ROW = 26


def speedups(suite: Suite, op: str) -> go.Figure:
    """Draw a row for each cell and a dot with its interval for each other contender; right of 1 ours is faster."""
    cells = [cell for cell in suite.cells if cell.op == op and cell.ratios]
    rows = [_row(cell) for cell in cells]
    names = list(dict.fromkeys(name for cell in cells for name in cell.ratios))
    colours = theme.contender_colours(names)
    dots = []
    for name in names:
        found = [(row, cell.ratios[name]) for row, cell in zip(rows, cells, strict=True) if name in cell.ratios]
        dots.append(_dots(found, f"{{}} times as fast as {spelled(name)}", spelled(name), colours[name]))
    return _figure(rows, dots, "how many times faster ours is (log), with 95 % interval;<br>left of 1 it is slower")


def headlines(suite: Suite) -> go.Figure:
    """Draw for each headline how many times faster than NumPy polyglot-bridge says it is, and it and ours are here."""
    rows: list[str] = []
    claims: list[tuple[str, Ratio]] = []
    theirs: list[tuple[str, Ratio]] = []
    ours: list[tuple[str, Ratio]] = []
    for line, race in raced(suite):
        right = {result.contender for result in race.results if result.right}
        row = (
            line.title
            if "(" in line.title
            else f"{line.title} ({format_sizes(line.cell.shape, html.MULTIPLICATION_SIGN)})"
        )
        rows.append(row)
        claims += [] if line.claim is None else [(row, Ratio(line.claim, line.claim, line.claim))]
        for name, found in ((THEIRS, theirs), (OURS, ours)):
            if {name, "numpy"} <= right:
                found.append((row, race.speedup(name, over="numpy")))
    colours = theme.contender_colours([OURS, THEIRS])
    dots = [
        _dots(claims, f"{THEIRS} says: {{}} times as fast as NumPy", f"{THEIRS}, as it says", colours[THEIRS], "open"),
        _dots(theirs, f"{THEIRS} here: {{}} times as fast as NumPy", f"{THEIRS}, here", colours[THEIRS]),
        _dots(ours, "ours: {} times as fast as NumPy", "ours", colours[OURS]),
    ]
    return _figure(rows, dots, "how many times faster than NumPy (log),<br>with 95 % interval; left of 1 it is slower")


def _figure(rows: list[str], dots: list[go.Scatter], title: str) -> go.Figure:
    ends = [end for each in dots for end in each.meta]
    low, high = min([*ends, 0.8]), max([*ends, 1.25])
    return template.figure(
        *dots,
        height=34 + 72 + _ROW * (len(rows) + 1),
        margin={"t": 34, "l": 8, "r": 8, "b": 72},
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
        xaxis={**log_axes.axis(low, high, lambda value: f"{value:g}"), "title": {"text": title}},
        yaxis={
            "categoryorder": "array",
            "categoryarray": rows[::-1],
            "tickfont": {"color": template.INK, "size": 12},
            "ticklabelstandoff": 8,
            "range": [-0.7, len(rows) - 0.3],
        },
    )


def _dots(found: list[tuple[str, Ratio]], words: str, name: str, colour: str, symbol: str = "full") -> go.Scatter:
    """Return dots with their intervals; ``meta`` holds the ends of these, for the axis."""
    return go.Scatter(
        x=[ratio.value for _, ratio in found],
        y=[row for row, _ in found],
        mode="markers",
        marker={
            "color": colour,
            "size": 9,
            "symbol": "circle-open" if symbol == "open" else "circle",
            "line": {"width": 2, "color": colour} if symbol == "open" else {"width": 1, "color": template.PAPER},
        },
        error_x={
            "visible": symbol != "open",  # a claim has no interval
            "type": "data",
            "array": [ratio.high - ratio.value for _, ratio in found],
            "arrayminus": [ratio.value - ratio.low for _, ratio in found],
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        customdata=[f"{row}<br>{words.format(ratio_text(ratio))}" for row, ratio in found],
        hovertemplate="%{customdata}<extra></extra>",
        name=name,
        meta=[end for _, ratio in found for end in (ratio.low, ratio.high)],
    )


def _row(cell: Cell) -> str:
    shape = format_sizes(cell.shape, html.MULTIPLICATION_SIGN)
    return f"{shape} {cell.dtype}{'' if cell.out else ', new'}"
