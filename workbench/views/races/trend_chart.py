"""The trend of a history: each contender's median with its interval, run by run."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from workbench.bench.past.history import History, Run, changed
from workbench.bench.past.text import question_text, shortened
from workbench.bench.verdict import spelled
from workbench.errors import InputError
from workbench.text import format_seconds, time_unit
from workbench.views import log_axes, template, theme

from . import race_card

_PLOT = 300
_LINE = 17
_TICKS = 8
_NOTES = 6
"""Of the changes, the last so many are written out; of those before them the marks remain."""


def trend(history: History, *, title: bool = True) -> go.Figure:
    """Draw the medians over the runs, with a mark where libraries changed.

    The runs stand at equal distances, in order: several of one afternoon and one of a month later are all to be read.

    Parameters
    ----------
    history
        Runs that answer the same question.
    title
        Whether that stands above.
    """
    runs = list(history)
    questions = list(dict.fromkeys(run.question for run in runs))
    if len(questions) > 1:
        asked = list(dict.fromkeys(map(question_text, runs)))
        first = runs[-1]
        raise InputError(
            f"A trend is one of races with the same question; here are {len(asked)}: {'; '.join(asked[:4])}"
            f"{'; ...' if len(asked) > 4 else ''}. Choose one: wb.history({first.op!r}, shape={first.shape}, "
            f"dtype={first.dtype!r}, out={first.out}).plot()"
        )
    if not runs:
        return template.figure(
            go.Scatter(), height=160, annotations=[template.note("No runs yet: race.save() keeps one.")]
        )
    names = list(dict.fromkeys(time.contender for run in reversed(runs) for time in run.times))
    medians = [time.median for run in runs for time in run.times]
    sign, size = time_unit(math.exp(sum(map(math.log, medians)) / len(medians)))
    log = max(medians) > race_card.LOG_FROM / 3 * min(medians)
    ends = [end / (1.0 if log else size) for run in runs for time in run.times for end in (time.low, time.high)]
    axis: dict[str, Any] = {"type": "linear", "range": [0.0, 1.12 * max(ends)], "nticks": 6}
    if log:
        axis = log_axes.axis(min(ends), max(ends), log_axes.seconds)
    colours = theme.contender_colours(names)
    unit = 1.0 if log else size
    lasts = [next(run[name].median for run in reversed(runs) if name in run) / unit for name in names]
    heights = [math.log10(last) if log else last for last in lasts]
    room = _LINE / _PLOT * (axis["range"][1] - axis["range"][0])
    words = template.wrap(f"{question_text(runs[-1])}: median time, run by run", 60)
    shapes, notes = _changes(runs)
    top = (48 if title else 8) + _LINE * min(len(notes), 2)
    return template.figure(
        *(_line(runs, name, colours[name], unit) for name in names),
        height=top + _PLOT + 80,
        title={"text": words} if title else None,
        margin={"t": top, "l": 8, "r": 132, "b": 8},
        xaxis={
            "title": {"text": "run, and the day it was saved (UTC)"},
            "range": [-0.4, len(runs) - 0.6] if len(runs) > 1 else [-0.5, 0.5],
            "showgrid": False,
            "zeroline": False,
            **_ticks(runs),
        },
        yaxis={
            **axis,
            "title": {"text": f"median time per call{' (log)' if log else f', {sign}'}, with 95 % interval"},
        },
        shapes=shapes,
        annotations=[
            *(
                {
                    "x": len(runs) - 1,
                    "y": height,
                    "text": template.plain(spelled(name), 18),
                    "showarrow": False,
                    "xanchor": "left",
                    "xshift": 10,
                    "font": {"color": template.INK, "size": 13},
                }
                for name, height in zip(names, log_axes.apart(heights, room, *axis["range"]), strict=True)
            ),
            *notes,
        ],
    )


def _line(runs: list[Run], name: str, colour: str, size: float) -> go.Scatter:
    places = [place for place, run in enumerate(runs) if name in run]
    times = [runs[place][name] for place in places]
    return go.Scatter(
        x=places,
        y=[time.median / size for time in times],
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 7},
        error_y={
            "type": "data",
            "array": [(time.high - time.median) / size for time in times],
            "arrayminus": [(time.median - time.low) / size for time in times],
            "color": colour,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=[
            f"<b>{template.plain(name)}</b> {template.plain(time.version)}<br>run {runs[place].id}, "
            f"{runs[place].began[:16].replace('T', ' ')}<br>median {format_seconds(time.median)}, 95 % interval "
            f"{format_seconds(time.low)} to {format_seconds(time.high)}"
            for place, time in zip(places, times, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        name=name,
    )


def _ticks(runs: list[Run]) -> dict[str, Any]:
    """Return ticks at some of the runs, the last one among them, with the year where it begins."""
    step = -(-len(runs) // _TICKS)
    places = list(range(len(runs) - 1, -1, -step))[::-1]
    days = [date.fromisoformat(runs[place].began[:10]) for place in places]
    years = [day.year if day.year != before.year else "" for before, day in pairwise([days[0].replace(year=1), *days])]
    words = [
        f"{runs[place].id}<br>{day.day} {day:%b}<br>{year}"
        for place, day, year in zip(places, days, years, strict=True)
    ]
    return {"tickvals": places, "ticktext": words, "tickangle": 0}


def _changes(runs: list[Run]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a dotted line between two runs for each change, and what changed above it."""
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    line = {"color": template.MUTED, "width": 1, "dash": "dot"}
    for place, (before, now) in enumerate(pairwise(runs), start=1):
        news = ["another machine"] * (before.machine != now.machine) + changed(before.libraries, now.libraries)
        if not news:
            continue
        at = place - 0.5
        shapes.append({"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": line})
        notes.append(
            {
                "x": at,
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "xanchor": "left" if place < len(runs) / 2 else "right",
                "yshift": _LINE * (len(notes) % 2),  # on two levels, so that neighbours do not cover each other
                "text": template.plain(shortened(news), 44),
                "hovertext": "<br>".join(map(template.plain, news)),
                "showarrow": False,
                "font": {"color": template.MUTED, "size": 12},
            }
        )
    return shapes, notes[-_NOTES:]
