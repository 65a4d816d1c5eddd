"""The charts of a sweep: time over size, and speed-up over size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from workbench.bench.race import Race
from workbench.bench.sweeps.advice import answer, remarks, warnings
from workbench.bench.sweeps.sizes import Axis
from workbench.bench.sweeps.swept import Sweep
from workbench.bench.sweeps.tables import conditions_text, question
from workbench.bench.verdict import spelled
from workbench.text import format_seconds, format_sizes
from workbench.views import html, log_axes, template, theme

HEIGHT = 400
_LEFT = 80
_LINE = 17
"""Pixels from one label to the next."""
_CHARACTER = 7.4
"""Pixels of a character of a label, on the average."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "cross", "star", "pentagon")

_TITLES = {
    "elements": "elements (log)",
    "matrix size": "matrix size, the geometric mean of the sides (log)",
    "size": "size (log)",
}


class _Line(NamedTuple):
    """One contender in one dtype."""

    contender: str
    dtype: str
    sizes: list[float]
    values: list[float]
    lows: list[float]
    highs: list[float]
    words: list[str]
    sure: list[bool]


def times(sweep: Sweep, *, title: bool = True) -> go.Figure:
    """Draw the median time of each contender over the size, with 95 % intervals and the crossover of the main pair.

    Parameters
    ----------
    sweep
        What was measured; it may still be growing.
    title
        Whether the recommendation and the conditions stand above; a panel that shows them itself leaves them out.
    """
    lines = [_time_line(sweep, name, dtype) for dtype in sweep.dtypes for name in sweep.contenders]
    return _figure(sweep, lines, log_axes.seconds, "median time per call (log), with 95 % interval", title=title)


def speedups(sweep: Sweep, *, title: bool = True) -> go.Figure:
    """Draw how many times faster each contender is than the base, over the size, with 95 % intervals.

    A marker is hollow where the interval contains 1.
    """
    others = [name for name in sweep.contenders if name != sweep.base]
    lines = [_ratio_line(sweep, name, dtype) for dtype in sweep.dtypes for name in others]
    label = f"times faster than {spelled(sweep.base)} (log), with 95 % interval"
    figure = _figure(sweep, lines, _times, label, title=title, one=True)
    figure.add_hline(y=1, line={"color": template.MUTED, "width": 1}, layer="below")
    return figure


def _figure(
    sweep: Sweep, lines: Sequence[_Line], write: Any, label: str, *, title: bool, one: bool = False
) -> go.Figure:
    drawn = [line for line in lines if line.sizes]
    heading = _heading(sweep) if title else ""
    shapes, marks = _crossovers(sweep)
    top = (20 * (heading.count("<br>") + 1) + 16 if title else 8) + 15 * len(marks)
    frame: dict[str, Any] = {
        "height": top + HEIGHT,
        "title": {"text": heading} if title else None,
        # The same on the left for time and speed-up, so that the sizes of the two charts stand below each other.
        "margin": {"t": top, "l": _LEFT, "r": 8, "b": 8},
    }
    if not drawn:
        note = template.note("Nothing has been measured yet.")
        return template.figure(
            go.Scatter(), **frame, xaxis={"visible": False}, yaxis={"visible": False}, annotations=[note]
        )
    sizes = [size for line in drawn for size in line.sizes]
    ends = [end for line in drawn for end in (*line.lows, *line.highs)] + ([1.0] if one else [])
    x = log_axes.axis(min(sizes), max(sizes), log_axes.count)
    y = log_axes.axis(min(ends), max(ends), write)
    colours = theme.contender_colours(list(sweep.entrants))
    traces = [_trace(sweep, line, colours[line.contender]) for line in drawn]
    widest = max(len(_label(sweep, line, plain=True)) for line in drawn if line.sizes[-1] == max(sizes))
    frame["margin"]["r"] = 22 + _CHARACTER * widest
    return template.figure(
        *traces,
        _labels(sweep, drawn, y["range"]),
        **frame,
        xaxis={**x, "title": {"text": _TITLES[sweep.axis.name]}},
        yaxis={**y, "title": {"text": label}, "automargin": False},
        shapes=shapes,
        annotations=marks,
    )


def _time_line(sweep: Sweep, name: str, dtype: str) -> _Line:
    found = [(size, race) for size, race in sweep.of(dtype) if _right(race, name)]
    results = [race[name] for _, race in found]
    return _Line(
        name,
        dtype,
        [size for size, _ in found],
        [result.median for result in results],
        [result.interval[0] for result in results],
        [result.interval[1] for result in results],
        [f"{format_seconds(race[name].median)}{_beside(sweep, race, name)}" for _, race in found],
        [True] * len(found),
    )


def _ratio_line(sweep: Sweep, name: str, dtype: str) -> _Line:
    found = [(size, race) for size, race in sweep.of(dtype) if _right(race, name) and _right(race, sweep.base)]
    ratios = [race.speedup(name, over=sweep.base) for _, race in found]
    return _Line(
        name,
        dtype,
        [size for size, _ in found],
        [ratio.value for ratio in ratios],
        [ratio.low for ratio in ratios],
        [ratio.high for ratio in ratios],
        [f"{format_seconds(race[name].median)}{_beside(sweep, race, name)}" for _, race in found],
        [ratio.decided for ratio in ratios],
    )


def _trace(sweep: Sweep, line: _Line, colour: str) -> go.Scatter:
    place = sweep.entrants.index(line.contender)
    return go.Scatter(
        x=line.sizes,
        y=line.values,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": _DASHES[sweep.dtypes.index(line.dtype) % len(_DASHES)]},
        marker={
            "symbol": [_SYMBOLS[place % len(_SYMBOLS)] + ("" if sure else "-open") for sure in line.sure],
            "size": 7,
            "color": colour,
        },
        error_y={
            "type": "data",
            "array": [high - value for high, value in zip(line.highs, line.values, strict=True)],
            "arrayminus": [value - low for low, value in zip(line.lows, line.values, strict=True)],
            "color": colour,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=[
            f"<b>{template.plain(spelled(line.contender))}</b> {line.dtype}<br>"
            f"{template.plain(_shape(sweep, line.dtype, size))}<br>{words}"
            for size, words in zip(line.sizes, line.words, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        name=f"{line.contender} {line.dtype}" if len(sweep.dtypes) > 1 else line.contender,
    )


def _labels(sweep: Sweep, lines: Sequence[_Line], span: Sequence[float]) -> go.Scatter:
    """Return the names at the ends of the lines; of those that end at the same size none covers another."""
    step = _LINE * (span[1] - span[0]) / (HEIGHT - 60)
    heights = [math.log10(line.values[-1]) for line in lines]
    low, high = span[0] + step / 2, span[1] - step / 2
    last = max(line.sizes[-1] for line in lines)
    for end in {line.sizes[-1] for line in lines}:
        places = [place for place, line in enumerate(lines) if line.sizes[-1] == end]
        free = log_axes.apart([heights[place] for place in places], step, low, high)
        for place, height in zip(places, free, strict=True):
            heights[place] = height
    return go.Scatter(
        x=[line.sizes[-1] for line in lines],
        y=[10**height for height in heights],
        mode="text",
        text=["\N{NO-BREAK SPACE}" * 2 + _label(sweep, line) for line in lines],
        # A line that ends early has others beside its end, so its name stands above.
        textposition=["middle right" if line.sizes[-1] == last else "top left" for line in lines],
        textfont={"color": template.INK, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        name="labels",
    )


def _label(sweep: Sweep, line: _Line, *, plain: bool = False) -> str:
    name = html.shorten(spelled(line.contender), 18)
    stopped = any(stop.contender == line.contender and stop.dtype == line.dtype for stop in sweep.stops)
    more = [*([line.dtype] if len(sweep.dtypes) > 1 else []), *(["stopped"] if stopped else [])]
    if plain:
        return " ".join([name, *more])
    return (
        f'{template.plain(name)} <span style="color:{template.MUTED}">{" ".join(more)}</span>'
        if more
        else template.plain(name)
    )


def _crossovers(sweep: Sweep) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a line at each crossover of the main pair with its interval as a band, and the size above it."""
    shapes: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for dtype in sweep.dtypes:
        for one in (one for duel in sweep.main_duels(dtype) for one in duel.crossovers):
            across = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
            band = {"fillcolor": template.LINE, "opacity": 0.6, "line": {"width": 0}}
            shapes.append({"type": "rect", "x0": one.low, "x1": one.high, **across, **band})
            hair = {"color": template.MUTED, "width": 1, "dash": "dot"}
            shapes.append({"type": "line", "x0": one.size, "x1": one.size, **across, "line": hair})
            words = _crossing_words(sweep.axis, one.size, dtype if len(sweep.dtypes) > 1 else "")
            marks.append(
                {
                    "x": math.log10(one.size),
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "yshift": 15 * len(marks),
                    "text": words,
                    "showarrow": False,
                    "font": {"size": 12, "color": template.MUTED},
                }
            )
    return shapes, marks


def _crossing_words(axis: Axis, size: float, dtype: str) -> str:
    return f"even at {axis.words(size, unit=axis.name == 'elements')}{f', {dtype}' if dtype else ''}"


def _heading(sweep: Sweep) -> str:
    """Return the answer, what is wrong or in doubt, and small under it the remarks and the conditions."""
    doubts = warnings(sweep)
    small = [line for line in remarks(sweep) if line not in doubts]
    small.append(f"{question(sweep)} \N{MIDDLE DOT} {conditions_text(sweep)}")
    return template.heading(" ".join(answer(sweep)), doubts, small)


def _right(race: Race, name: str) -> bool:
    return any(result.contender == name and result.right for result in race.results)


def _beside(sweep: Sweep, race: Race, name: str) -> str:
    """Return how a contender did beside the base, for whoever points at it."""
    if name == sweep.base or not _right(race, sweep.base):
        return ""
    ratio = race.speedup(name, over=sweep.base)
    ends = f"{html.number(ratio.low)} to {html.number(ratio.high)}"
    return f"<br>{html.number(ratio.value)} times faster than {spelled(sweep.base)}, 95 % interval {ends}"


def _shape(sweep: Sweep, dtype: str, size: float) -> str:
    shape = next(point.shape for point in sweep.points if point.dtype == dtype and point.size == size)
    return f"{format_sizes(shape)} ({size:,.0f} {sweep.axis.name})" if len(shape) > 1 else sweep.axis.words(size)


def _times(value: float) -> str:
    return f"{value:g}{html.MULTIPLICATION_SIGN}"
