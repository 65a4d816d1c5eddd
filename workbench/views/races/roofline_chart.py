"""The roofline: arithmetic for each byte across, arithmetic a second up, and what this machine can do above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from workbench.bench.rooflines.roofline import Placed, Roofline
from workbench.bench.rooflines.tables import answer, ceiling_words, doubt
from workbench.bench.sweeps.sizes import shape_words
from workbench.bench.verdict import spelled
from workbench.text import format_bytes, format_count, format_seconds, format_share
from workbench.views import log_axes, template, theme

from . import placing

HEIGHT = 460
_TALL = HEIGHT - 50
_NAMED = 0.24
"""The share of the width, beside that of the points, that the names of the levels take."""
_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
_DASHES = ("solid", "dash", "dot", "dashdot")


def roofline(roofline: Roofline, *, title: bool = True) -> go.Figure:
    """Draw each point under a roof for each level of the memory and each dtype's arithmetic, both axes logarithmic.

    Parameters
    ----------
    roofline
        What was measured.
    title
        Whether the summary stands above; a panel that shows it itself leaves it out.
    """
    points, ceilings = roofline.points, roofline.ceilings
    dtypes = roofline.dtypes or list(ceilings.flops)[:1]
    peaks = {dtype: ceilings.flops[dtype] for dtype in dtypes}
    bands = {level: ceilings.roof(level) for level in ceilings.levels}
    ridge = max(peaks.values()) / min(bands.values())
    across = [point.intensity for point in points]
    least, right = min([*across, ridge / 30]) / 1.6, max([*across, ridge]) * 3
    left = least / (right / least) ** _NAMED  # room for the names of the levels, clear of all points
    lowest = min([*(point.rate for point in points), left * min(bands.values()) / 1.5])
    highest = max([*(1.2 * point.rate for point in points), 1.5 * max(peaks.values())])
    x = log_axes.axis(left, right, log_axes.count)
    y = log_axes.axis(lowest / 1.3, highest, lambda value: f"{log_axes.count(value)}FLOP/s")
    colours = theme.contender_colours(list(dict.fromkeys(point.contender for point in points)))
    heading = _heading(roofline, colours) if title else _key(colours)
    top = 20 * (heading.count("<br>") + 1) + 18
    return template.figure(
        *_roofs(bands, peaks, x["range"]),
        *_runs(points, colours),
        height=top + HEIGHT,
        title={"text": heading} if heading else None,
        margin={"t": top, "l": 8, "r": 8, "b": 8},
        xaxis={**x, "title": {"text": "floating-point operations per byte that has to be moved (log)"}},
        yaxis={**y, "title": {"text": "floating-point operations a second (log)"}},
        annotations=_names(points, bands, peaks, x["range"], y["range"]),
    )


def _roofs(bands: dict[str, float], peaks: dict[str, float], across: Sequence[float]) -> list[go.Scatter]:
    """Return a slope for each level up to the highest arithmetic, and a flat roof for each dtype."""
    left, right = 10 ** across[0], 10 ** across[1]
    peak = max(peaks.values())
    look: dict[str, Any] = {"mode": "lines", "hoverinfo": "skip"}
    found = []
    for place, (level, rate) in enumerate(bands.items()):
        line = {"color": template.MUTED, "width": 1.4, "dash": _DASHES[place % len(_DASHES)]}
        found.append(go.Scatter(x=[left, peak / rate], y=[left * rate, peak], line=line, name=level, **look))
    for dtype, rate in peaks.items():
        start = rate / max(bands.values())
        line = {"color": template.MUTED, "width": 1.4}
        found.append(go.Scatter(x=[start, right], y=[rate, rate], line=line, name=f"fma in {dtype}", **look))
    return found


def _runs(points: Sequence[Placed], colours: dict[str, str]) -> list[go.Scatter]:
    """Return the points of each contender; those of one operation at several sizes are joined."""
    found = []
    dtypes = list(dict.fromkeys(point.dtype for point in points))
    joined = len({point.op for point in points}) == 1
    for contender, colour in colours.items():
        for place, dtype in enumerate(dtypes):
            mine = [point for point in points if point.contender == contender and point.dtype == dtype]
            if not mine:
                continue
            found.append(
                go.Scatter(
                    x=[point.intensity for point in mine],
                    y=[point.rate for point in mine],
                    mode="lines+markers" if joined else "markers",
                    line={"color": colour, "width": 1},
                    marker={
                        "color": colour,
                        "size": 10,
                        "symbol": _SYMBOLS[place % len(_SYMBOLS)],
                        "line": {"width": 1, "color": template.PAPER},
                    },
                    customdata=[_hover(point) for point in mine],
                    hovertemplate="%{customdata}<extra></extra>",
                    name=contender if len(dtypes) == 1 else f"{contender} {dtype}",
                )
            )
    return found


def _names(
    points: Sequence[Placed],
    bands: dict[str, float],
    peaks: dict[str, float],
    across: Sequence[float],
    up: Sequence[float],
) -> list[dict[str, Any]]:
    """Return a name for each roof, and one beside each operation's nearest point to its ceiling."""
    spots = {id(point): (math.log10(point.intensity), math.log10(point.rate)) for point in points}
    plane = placing.Plane(across, up, _TALL, list(spots.values()))
    left, peak = across[0], math.log10(max(peaks.values()))
    found = []
    for level, rate in bands.items():
        slope = math.log10(rate)
        plane.line((left, left + slope), (peak - slope, peak))
        found.append(plane.under(left, left + slope, f"{level} {format_bytes(rate)}/s"))
    for dtype, rate in peaks.items():
        start = math.log10(rate / max(bands.values()))
        words = f"{dtype} {log_axes.count(float(f'{rate:.3g}'))}FLOP/s"
        found.append(plane.above(start, math.log10(rate), words))
    shared: list[list[Placed]] = []
    for point in sorted(_to_name(points), key=lambda point: -point.rate):
        here = spots[id(point)]
        same = next((each for each in shared if plane.covers(here, spots[id(each[0])])), None)
        if same is None:
            shared.append([point])
        else:  # two names at one dot would seem to be those of two
            same.append(point)
    found += [plane.beside(*spots[id(each[0])], ", ".join(_words(point, points) for point in each)) for each in shared]
    return found


def _to_name(points: Sequence[Placed]) -> list[Placed]:
    """Return whose names are shown: of each operation the fastest; of a single one over sizes its two ends."""
    if len({point.op for point in points}) > 1:
        return [max((each for each in points if each.op == op), key=lambda each: each.share) for op in _ops(points)]
    best = max(points, key=lambda point: point.share, default=None)
    mine = [point for point in points if best and (point.contender, point.dtype) == (best.contender, best.dtype)]
    return [mine[0], mine[-1]] if len(mine) > 1 else mine


def _ops(points: Sequence[Placed]) -> list[str]:
    return list(dict.fromkeys(point.op for point in points))


def _words(point: Placed, points: Sequence[Placed]) -> str:
    if len(_ops(points)) > 1:
        return point.op
    return shape_words(point.shape) if len(points) > 1 else point.op


def _hover(point: Placed) -> str:
    return (
        f"<b>{template.plain(point.op)}</b> {shape_words(point.shape)} {point.dtype}, "
        f"{template.plain(spelled(point.contender))}<br>{format_share(point.share)} of {ceiling_words(point)}<br>"
        f"{format_seconds(point.seconds)} a call, {format_count(point.rate)}FLOP/s<br>"
        f"{format_bytes(point.nbytes)}, {format_count(point.flops)} operations: {point.intensity:.3g} per byte"
    )


def _key(colours: dict[str, str]) -> str:
    """Return which colour is whose."""
    dots = "\N{NO-BREAK SPACE}" * 3
    names = [
        f'<span style="color:{colour}">\N{BLACK CIRCLE}</span>\N{NO-BREAK SPACE}{template.plain(spelled(name), 24)}'
        for name, colour in colours.items()
    ]
    return f'<span style="font-size:12px;font-weight:400">{dots.join(names)}</span>'


def _heading(roofline: Roofline, colours: dict[str, str]) -> str:
    note = f"{', '.join(roofline.dtypes)}; ceilings measured on this machine with {roofline.ceilings.threads} threads"
    return f"{template.heading(answer(roofline), doubt(roofline), [note])}<br>{_key(colours)}"
