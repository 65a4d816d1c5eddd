"""The chart of a race: the median time of each contender as a bar, with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.bench.race import Race, Result
from workbench.bench.verdict import sentences, spelled
from workbench.text import format_seconds, time_unit
from workbench.views import html, log_axes, template, theme

from . import race_card


def race(race: Race, *, title: bool = True) -> go.Figure:
    """Draw the median time of each contender with its 95 % interval, fastest on top, those that are wrong hollow below.

    Parameters
    ----------
    race
        What was measured.
    title
        Whether the verdict and the conditions stand above; a panel that shows them itself leaves them out.
    """
    results = race_card.standing(race)
    medians = [result.median for result in results]
    log = bool(medians) and max(medians) > race_card.LOG_FROM * min(medians)
    sign, size = time_unit(math.exp(float(np.mean(np.log(medians)))) if medians else 1.0)
    size = 1.0 if log else size  # ticks of a log axis have each its own unit
    times = np.array(medians) / size
    ends = np.array([result.interval for result in results]).reshape(-1, 2) / size
    names = [_unique(template.plain(spelled(result.contender), 40), at) for at, result in enumerate(results)]
    first, *more = sentences(race)
    heading = template.heading(first, more, [race.conditions_text]) if title else ""
    top = 21 * (heading.count("<br>") + 1) + 20 if title else 8
    return template.figure(
        _bars(results, names, times, ends),
        _words(race, results, names, ends),
        height=top + 56 + 38 * max(len(results), 1),
        title={"text": heading} if title else None,
        margin={"t": top, "l": 8, "r": 8, "b": 8},
        xaxis={
            **(_axis(times, ends, log=log) if results else {}),
            "title": {"text": f"median time per call{' (log)' if log else f', {sign}'}, with 95 % interval"},
        },
        yaxis={
            "categoryorder": "array",
            "categoryarray": names[::-1],
            "tickfont": {"color": template.INK, "size": 13},
            "showgrid": False,
            "ticklabelstandoff": 8,
        },
        annotations=[] if results else [template.note("No contender could run.")],
    )


def _bars(results: list[Result], names: list[str], times: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]) -> go.Bar:
    known = theme.contender_colours([result.contender for result in results])
    colours = [known[result.contender] for result in results]
    return go.Bar(
        x=times,
        y=names,
        orientation="h",
        width=0.62,
        marker={
            "color": [
                colour if result.right else "rgba(0,0,0,0)" for colour, result in zip(colours, results, strict=True)
            ],
            "line": {"width": [0 if result.right else 2 for result in results], "color": colours},
        },
        error_x={
            "type": "data",
            "array": ends[:, 1] - times,
            "arrayminus": times - ends[:, 0],
            "color": template.INK,
            "thickness": 1.6,
            "width": 4,
        },
        customdata=[_hover(result) for result in results],
        hovertemplate="%{customdata}<extra></extra>",
        name="median",
    )


def _words(race: Race, results: list[Result], names: list[str], ends: np.ndarray[Any, Any]) -> go.Scatter:
    """Return what stands at the right of the bars: the time, and how it compares."""
    return go.Scatter(
        x=ends[:, 1],
        y=names,
        mode="text",
        text=["\N{NO-BREAK SPACE}" * 2 + _beside(race, result) for result in results],
        textposition="middle right",
        textfont={"color": template.INK, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        name="labels",
    )


def _beside(race: Race, result: Result) -> str:
    time, words = format_seconds(result.median), race_card.comparison(race, result)
    return f"{time} {template.ink(words, template.MUTED if result.right else template.ALARM)}" if words else time


def _hover(result: Result) -> str:
    low, high = result.interval
    fault = "" if result.right else f"<br>{template.wrap(result.fault or 'wrong result', 60)}"
    return (
        f"<b>{template.plain(spelled(result.contender))}</b> {template.plain(result.version)}<br>"
        f"median {format_seconds(result.median)}, 95 % interval {format_seconds(low)} to {format_seconds(high)}<br>"
        f"first call {format_seconds(result.first_call)}<br>error {html.number(result.error)} of the largest value"
        f"{fault}"
    )


def _axis(times: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], *, log: bool) -> dict[str, Any]:
    """Return the axis of the times, with room for the words at the right of the longest bar."""
    if not log:
        return {"type": "linear", "range": [0.0, float(ends.max()) * 1.32], "nticks": 7}
    low, high = float(ends[:, 0].min()) / 2, float(ends.max())
    axis = log_axes.axis(low, high, log_axes.seconds)
    start = math.log10(low)
    return {**axis, "range": [start, start + 1.32 * (math.log10(high) - start)]}


def _unique(name: str, place: int) -> str:
    """Return a name that stays its own after shortening; the added characters have no width."""
    return name + "\N{ZERO WIDTH SPACE}" * place if "\N{HORIZONTAL ELLIPSIS}" in name else name
