"""The chart of an audit: how long a round trip takes on each way, a column for each message."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from workbench.ring.findings import RingAudit, Trip
from workbench.ring.trips import CALL, POOL
from workbench.text import format_seconds
from workbench.views import log_axes, template, theme

OURS, OTHERS = theme.CONTENDER_COLOURS["numba"], theme.CONTENDER_COLOURS["numpy"]
"""Kernels have the colour of our own kernels in a race, and all else has that of NumPy."""
_DOT = "\N{MIDDLE DOT}"
_BETWEEN = 0.06
_ROOM = 0.35
"""To the right of the longest bar, for its time, as a share of the axis without it."""


def audit(found: RingAudit, *, title: bool = True) -> go.Figure:
    """Draw the median round trip of each way with its 95 % interval, the quickest on top.

    Parameters
    ----------
    found
        What was measured.
    title
        Whether the answer and the conditions stand above; a panel that shows them itself leaves them out.
    """
    messages = list(dict.fromkeys(trip.message for trip in found.trips))
    trips = {message: [trip for trip in found.trips if trip.message == message] for message in messages}
    if not trips:
        return template.figure(height=120, annotations=[template.note("Nothing was timed.")])
    order = [trip.way for trip in sorted(trips[messages[0]], key=lambda trip: trip.seconds)]
    layout, heads = {}, []
    wide = (1 - _BETWEEN * (len(messages) - 1)) / len(messages)
    for place, message in enumerate(messages):
        start = place * (wide + _BETWEEN)
        layout[f"xaxis{place + 1 if place else ''}"] = {
            **_axis(trips[message]),
            "domain": [start, start + wide],
            "title": {"text": "median round trip (log)"},
        }
        heads.append(_head(message, start))
    heading = template.heading(first(found), [], conditions(found)) if title else ""
    top = (21 * (heading.count("<br>") + 1) + 20 if title else 0) + 28
    traces = [trace for place, message in enumerate(messages) for trace in _traces(trips[message], place)]
    return template.figure(
        *traces,
        height=26 * len(order) + 56 + top,
        title={"text": heading} if title else None,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        annotations=heads,
        yaxis={
            "categoryorder": "array",
            "categoryarray": [_short(way) for way in order][::-1],
            "tickfont": {"color": template.INK, "size": 13},
            "showgrid": False,
            "ticklabelstandoff": 8,
        },
        **layout,
    )


def _traces(trips: Sequence[Trip], place: int) -> list[go.Bar | go.Scatter]:
    axis = f"x{place + 1 if place else ''}"
    names = [_short(trip.way) for trip in trips]
    bars = go.Bar(
        x=[trip.seconds for trip in trips],
        y=names,
        xaxis=axis,
        orientation="h",
        width=0.62,
        marker={"color": [OURS if ours(trip.way) else OTHERS for trip in trips]},
        error_x={
            "type": "data",
            "array": [trip.high - trip.seconds for trip in trips],
            "arrayminus": [trip.seconds - trip.low for trip in trips],
            "color": template.INK,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=[_hover(trip) for trip in trips],
        hovertemplate="%{customdata}<extra></extra>",
        name=trips[0].message,
    )
    words = go.Scatter(
        x=[trip.high for trip in trips],
        y=names,
        xaxis=axis,
        mode="text",
        text=["\N{NO-BREAK SPACE}" * 2 + format_seconds(trip.seconds) for trip in trips],
        textposition="middle right",
        textfont={"color": template.INK, "size": 12},
        cliponaxis=False,
        hoverinfo="skip",
        name=f"{trips[0].message}, in words",
    )
    return [bars, words]


def first(found: RingAudit) -> str:
    """Say what a call of a kernel takes, and one through a thread pool."""
    times = {trip.way: trip.seconds for trip in reversed(found.trips)}
    if not {CALL, POOL} <= times.keys():
        return found.heading
    call, pool = (format_seconds(times[way]).replace(" ", "\N{NO-BREAK SPACE}") for way in (CALL, POOL))
    return f"A call of a kernel takes {call}, one through a thread pool {pool}."


def conditions(found: RingAudit) -> list[str]:
    """Return whether the bars are met, and how it was timed."""
    machine = found.environment
    parts = [f"{found.rounds} rounds, every way in each", f"{machine['cores']} cores of {machine['cpu']}"]
    if found.load:
        parts.append(f"others kept {found.load:.2g} cores busy")
    return [found.heading, f" {_DOT} ".join(parts)]


def ours(way: str) -> bool:
    """Tell whether a way leads through a kernel.

    >>> ours("await acall"), ours('send, receive, thread="any"'), ours("plain call")
    (True, True, False)
    """
    return way.partition(",")[0].removeprefix("await ") in ("call", "acall", "send")


def _short(way: str) -> str:
    """Return a name that leaves room for the bars."""
    return way.removesuffix(".submit().result()").replace('thread="', "").replace('"', "")


def _axis(trips: Sequence[Trip]) -> dict[str, Any]:
    low, high = min(trip.low for trip in trips) / 2, max(trip.high for trip in trips)
    axis = log_axes.axis(low, high * (high / low) ** _ROOM, log_axes.seconds)
    powers = [value for value in axis["tickvals"] if math.log10(value).is_integer()]
    shown = powers[:: len(powers) // 4 + 1] if len(powers) > 1 else axis["tickvals"]
    return {**axis, "anchor": "y", "tickangle": 0, "tickvals": shown, "ticktext": [*map(log_axes.seconds, shown)]}


def _head(message: str, start: float) -> dict[str, Any]:
    """Return what stands above the bars of a message."""
    place = {"x": start, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {"text": f"<b>{template.plain(message)}</b>", "showarrow": False, "font": {"size": 13}, "yshift": 4, **place}


def _hover(trip: Trip) -> str:
    ends = f"{format_seconds(trip.low)} to {format_seconds(trip.high)}"
    return f"<b>{template.plain(trip.way)}</b><br>median {format_seconds(trip.seconds)}, 95 % interval {ends}"
