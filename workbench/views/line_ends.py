"""Names at the ends of lines in place of a legend, moved apart where lines end close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import template


def line_ends(
    names: Sequence[str], x: float, heights: Sequence[float], *, low: float, high: float, pixels: float
) -> list[dict[str, Any]]:
    """Return an annotation for each line, right of its last point.

    Parameters
    ----------
    names
        What stands there; plotly's own tags are read in it.
    x
        Where the lines end, on the x axis.
    heights
        Where each ends on the y axis; on a log axis its logarithm, as plotly's annotations want it.
    low, high
        The ends of the y axis, likewise.
    pixels
        Its length in pixels.
    """
    room = LINE / pixels * (high - low)
    places = apart(heights, room, low=low, high=high)
    return [
        {
            "x": x,
            "y": place,
            "text": name,
            "showarrow": False,
            "xanchor": "left",
            "xshift": 10,
            "font": {"color": template.INK, "size": 13},
        }
        for name, place in zip(names, places, strict=True)
    ]


LINE = 17.0
"""Pixels from one line of text to the next."""


def apart(heights: Sequence[float], room: float, *, low: float, high: float) -> list[float]:
    """Return the heights moved so that neighbours are at least ``room`` apart, none further than it must.

    >>> apart([1.0, 1.0, 5.0], 1.0, low=0.0, high=10.0)
    [0.5, 1.5, 5.0]
    """
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    # Groups of neighbours that touch: each has its members and the middle that is best for them.
    groups: list[list[int]] = []
    for at in order:
        groups.append([at])
        while len(groups) > 1 and _start(groups[-1], heights, room) < _end(groups[-2], heights, room) + room:
            last = groups.pop()
            groups[-1] += last
    places = [0.0] * len(heights)
    for group in groups:
        start = _start(group, heights, room)
        for place, at in enumerate(group):
            places[at] = start + place * room
    over = max(0.0, max(places, default=high) - high)
    under = max(0.0, low - min(places, default=low))
    return [place - over + under for place in places] if not (over and under) else places


def _start(group: list[int], heights: Sequence[float], room: float) -> float:
    return sum(heights[at] for at in group) / len(group) - (len(group) - 1) * room / 2


def _end(group: list[int], heights: Sequence[float], room: float) -> float:
    return _start(group, heights, room) + (len(group) - 1) * room
