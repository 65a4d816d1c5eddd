"""The figures: a race, a tensor's values and a slice of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.bench.race import Race, Result
from workbench.models.model import Tensor
from workbench.text import format_seconds, time_unit

from . import cards, html, template, theme
from .window import Window

HEIGHT = 250


def race(race: Race, *, title: bool = True) -> go.Figure:
    """Draw the median time of each contender with its 95 % interval, fastest on top.

    Parameters
    ----------
    race
        What was measured.
    title
        Whether the verdict and the conditions stand above; a panel that shows them itself leaves them out.
    """
    results = race.results
    medians = [result.median for result in results]
    sign, size = time_unit(math.exp(float(np.mean(np.log(medians)))) if medians else 1.0)
    times = np.array(medians) / size
    ends = np.array([result.interval for result in results]).reshape(-1, 2) / size
    names = [_unique(template.plain(result.contender, 40), place) for place, result in enumerate(results)]
    colours = theme.contender_colours([result.contender for result in results])
    log = bool(medians) and max(medians) > cards.LOG_FROM * min(medians)

    bars = go.Bar(
        x=times,
        y=names,
        orientation="h",
        width=0.62,
        marker={"color": [colours[result.contender] for result in results], "line": {"width": 0}},
        error_x={
            "type": "data",
            "array": ends[:, 1] - times,
            "arrayminus": times - ends[:, 0],
            "color": template.INK,
            "thickness": 1.6,
            "width": 4,
        },
        customdata=[_race_hover(result) for result in results],
        hovertemplate="%{customdata}<extra></extra>",
        name="median",
    )
    words = go.Scatter(
        x=ends[:, 1],
        y=names,
        mode="text",
        text=["\N{NO-BREAK SPACE}" * 2 + _race_words(race, result.contender) for result in results],
        textposition="middle right",
        textfont={"color": template.INK, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        name="labels",
    )
    kind = "log" if log else "linear"
    verdict, conditions = template.wrap(race.verdict, 52), template.wrap(race.conditions_text, 84)
    small = f'<span style="font-size:12px;font-weight:400;color:{template.MUTED}">{conditions}</span>'
    title_text = f"{verdict}<br>{small}"
    top = 21 * (title_text.count("<br>") + 1) + 20 if title else 8
    return template.figure(
        bars,
        words,
        height=top + 56 + 38 * max(len(results), 1),
        title={"text": title_text} if title else None,
        margin={"t": top, "l": 8, "r": 8, "b": 8},
        xaxis={
            "type": kind,
            "range": _race_range(times, ends, log=log),
            "title": {"text": f"median time per call{' (log)' if log else f', {sign}'}, with 95 % interval"},
            "nticks": 7,
            **(_decades(ends, size) if log else {}),
        },
        yaxis={
            "categoryorder": "array",
            "categoryarray": names[::-1],
            "tickfont": {"color": template.INK, "size": 13},
            "showgrid": False,
            "ticklabelstandoff": 8,
        },
        annotations=[] if results else [_note("No contender could run.")],
    )


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
        annotations=[] if filled else [_note("No finite values to count.")],
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
        annotations=[] if values.size else [_note("No elements to show.")],
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
    return template.figure(go.Bar(), height=HEIGHT, annotations=[_note(text)])


def no_cells(text: str) -> go.Figure:
    """Return the frame of :func:`heatmap` with a sentence in place of the cells."""
    return template.figure(go.Heatmap(), go.Heatmap(), height=HEIGHT, annotations=[_note(text)])


def _where(chosen: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> list[list[float | None]]:
    """Return the chosen values, and None for the others: JSON has no NaN."""
    return [
        [value if take else None for take, value in zip(*row, strict=True)]
        for row in zip(chosen.tolist(), values.tolist(), strict=True)
    ]


def _race_words(race: Race, contender: str) -> str:
    result = race[contender]
    words, beside = format_seconds(result.median), cards.comparison(race, result)
    return f'{words} <span style="color:{template.MUTED}">{beside}</span>' if beside else words


def _race_hover(result: Result) -> str:
    low, high = result.interval
    return (
        f"<b>{template.plain(result.contender)}</b> {template.plain(result.version)}<br>"
        f"median {format_seconds(result.median)}, 95 % interval {format_seconds(low)} to {format_seconds(high)}<br>"
        f"first call {format_seconds(result.first_call)}<br>error {html.number(result.error)} of the largest value"
    )


def _race_range(times: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], *, log: bool) -> list[float] | None:
    """Return the axis' range, with room for the words at the right of the longest bar."""
    if not times.size:
        return None
    if not log:
        return [0.0, float(ends.max()) * 1.32]
    low, high = math.log10(float(ends[:, 0].min())) - 0.3, math.log10(float(ends.max()))
    return [low, high + 0.32 * (high - low)]


def _decades(ends: np.ndarray[Any, Any], size: float) -> dict[str, Any]:
    """Return ticks at powers of ten, each with its own unit, since a log axis may span several."""
    first, last = math.floor(math.log10(float(ends.min()))), math.ceil(math.log10(float(ends.max())))
    ticks = [10.0**power for power in range(first, last + 1)]
    return {"tickvals": ticks, "ticktext": [f"{_whole(tick * size)}" for tick in ticks]}


def _whole(seconds: float) -> str:
    sign, size = time_unit(seconds)
    return f"{seconds / size:g} {sign}"


def _unique(name: str, place: int) -> str:
    """Return a name that stays its own after shortening; the added characters have no width."""
    return name + "\N{ZERO WIDTH SPACE}" * place if "\N{HORIZONTAL ELLIPSIS}" in name else name


def _note(text: str) -> dict[str, Any]:
    place = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    return {"text": text, "showarrow": False, "font": {"color": template.MUTED, "size": 13}, **place}
