"""The roofline: arithmetic for each byte across, arithmetic a second up, and what this machine can do above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from workbench.bench.rooflines.roofline import Placed, Roofline
from workbench.bench.rooflines.tables import ceiling_words, summary
from workbench.bench.sweeps.sizes import shape_words
from workbench.bench.verdict import spelled
from workbench.text import format_bytes, format_count, format_seconds, format_share

from . import log_axes, template, theme

HEIGHT = 460
_TALL = HEIGHT - 50
_WIDTH = 520
"""Pixels for which the labels are laid out; in a wider figure they are farther apart."""
_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
_DASHES = ("solid", "dash", "dot", "dashdot")


class _Box(NamedTuple):
    """A place that is taken, in pixels from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: _Box) -> float:
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across * up if across > 0 and up > 0 else 0.0


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
    left, right = min([*across, ridge / 30]) / 1.6, max([*across, ridge]) * 3
    lowest = min([*(point.rate for point in points), left * min(bands.values())])
    x = log_axes.axis(left, right, log_axes.count)
    y = log_axes.axis(lowest / 1.3, max(peaks.values()) * 1.5, lambda value: f"{log_axes.count(value)}FLOP/s")
    colours = theme.contender_colours(list(dict.fromkeys(point.contender for point in points)))
    heading = _heading(roofline, colours) if title else _key(colours)
    levels = _level_names(bands, x["range"])
    top = 20 * (heading.count("<br>") + 1) + 18
    return template.figure(
        *_roofs(bands, peaks, x["range"]),
        *_runs(points, colours),
        height=top + HEIGHT,
        title={"text": heading} if heading else None,
        margin={"t": top, "l": 8, "r": 8, "b": 8},
        xaxis={**x, "title": {"text": "floating-point operations per byte that has to be moved (log)"}},
        yaxis={**y, "title": {"text": "floating-point operations a second (log)"}},
        annotations=[*levels, *_names(points, x["range"], y["range"], _room(levels, y["range"]))],
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
    texts = [f"{dtype} {log_axes.count(float(f'{rate:.3g}'))}FLOP/s" for dtype, rate in peaks.items()]
    found.append(
        go.Scatter(
            x=[right] * len(peaks),
            y=list(peaks.values()),
            mode="text",
            text=[f"{text}\N{NO-BREAK SPACE}" for text in texts],
            textposition="top left",
            textfont={"size": 12, "color": template.MUTED},
            hoverinfo="skip",
            name="arithmetic",
        )
    )
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


def _level_names(bands: dict[str, float], across: Sequence[float]) -> list[dict[str, Any]]:
    """Return a name for each slope, under its left end: it rises, and so keeps clear of the name."""
    return [
        {
            "x": across[0],
            "y": across[0] + math.log10(rate),
            "xshift": 5,
            "yshift": 3,
            "xanchor": "left",
            "yanchor": "top",
            "text": f"{level} {format_bytes(rate)}/s",
            "showarrow": False,
            "font": {"size": 12, "color": template.MUTED},
        }
        for level, rate in bands.items()
    ]


def _room(levels: Sequence[dict[str, Any]], up: Sequence[float]) -> list[_Box]:
    """Return the places of the levels' names."""
    tops = [(level["y"] - up[0]) / (up[1] - up[0]) * _TALL for level in levels]
    return [_Box(0, top - 16, 5 + 6.6 * len(level["text"]), top) for level, top in zip(levels, tops, strict=True)]


def _names(
    points: Sequence[Placed], across: Sequence[float], up: Sequence[float], room: Sequence[_Box]
) -> list[dict[str, Any]]:
    """Return a name beside each operation's highest point, where it covers neither a point nor another name."""
    chosen = _to_name(points)
    spots = {id(point): _spot(point, across, up) for point in points}
    taken = [*room, *(_Box(x - 6, y - 6, x + 6, y + 6) for x, y in spots.values())]
    names = []
    for point in sorted(chosen, key=lambda point: -point.rate):
        words = _words(point, points)
        x, y = spots[id(point)]
        offset = min(_offsets(), key=lambda step: _cost(x, y, step, words, taken))
        taken.append(_around(x, y, offset, words))
        names.append(_annotation(point, words, offset))
    return names


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


def _offsets() -> list[tuple[float, float]]:
    """Return places of a name's centre beside its point, in pixels, the best first; (1, 0) is to the right."""
    near = [(1.0, 0.0), (-1.0, 0.0), (0.0, 16.0), (0.0, -16.0)]
    far = [(side, step) for step in (16.0, -16.0, 30.0, -30.0, 44.0, -44.0, 60.0, -60.0) for side in (1.0, -1.0, 0.0)]
    return [*near, *far]


def _around(x: float, y: float, offset: tuple[float, float], words: str) -> _Box:
    """Return the box of a name."""
    half = 3.4 * len(words) + 4
    side, step = offset
    centre = x + side * (half + 9 + abs(step) / 4)
    return _Box(centre - half, y + step - 8, centre + half, y + step + 8)


def _cost(x: float, y: float, offset: tuple[float, float], words: str, taken: Sequence[_Box]) -> float:
    """Return how bad a place is: what it covers, then how far away it is."""
    box = _around(x, y, offset, words)
    outside = max(0.0, box.right - _WIDTH) + max(0.0, -box.left) + max(0.0, -box.bottom)
    return (
        100 * (sum(box.overlap(other) for other in taken) + 20 * outside)
        + abs(offset[1])
        + _offsets().index(offset) / 9
    )


def _annotation(point: Placed, words: str, offset: tuple[float, float]) -> dict[str, Any]:
    side, step = offset
    anchor = {1.0: "left", -1.0: "right", 0.0: "center"}[side]
    look: dict[str, Any] = {
        "x": math.log10(point.intensity),
        "y": math.log10(point.rate),
        "text": template.plain(words, 30),
        "font": {"size": 12, "color": template.INK},
        "xanchor": anchor,
        "yanchor": "middle",
        "ax": side * (9 + abs(step) / 4),
        "ay": -step,
        "showarrow": True,
        "arrowhead": 0,
        "standoff": 5,
        "arrowwidth": 0.8,
        "arrowcolor": template.MUTED if abs(step) > 16 or (side and step) else "rgba(0,0,0,0)",
    }
    return look


def _spot(point: Placed, across: Sequence[float], up: Sequence[float]) -> tuple[float, float]:
    x = (math.log10(point.intensity) - across[0]) / (across[1] - across[0]) * _WIDTH
    y = (math.log10(point.rate) - up[0]) / (up[1] - up[0]) * _TALL
    return x, y


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
    small = f'<span style="font-size:12px;font-weight:400;color:{template.MUTED}">{template.wrap(note, 100)}</span>'
    return f"{template.wrap(summary(roofline), 62)}<br>{small}<br>{_key(colours)}"
