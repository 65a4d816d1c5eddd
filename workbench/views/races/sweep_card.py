"""HTML pictures of a sweep and of a roofline; self-contained, with no script."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.bench.rooflines import tables
from workbench.bench.rooflines.roofline import Placed, Roofline
from workbench.bench.sweeps.advice import answer, remarks, warnings
from workbench.bench.sweeps.sizes import shape_words
from workbench.bench.sweeps.swept import Sweep
from workbench.bench.sweeps.tables import cells, conditions_text, notes, question
from workbench.bench.verdict import spelled
from workbench.text import format_bytes, format_count, format_share
from workbench.views import html, log_axes, theme

_WIDTH, _HEIGHT = 680, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 130, 12, 40
_DASHES = ("", "6 4", "2 3")


def sweep(found: Sweep) -> str:
    """Return a sweep: whom to use, the lines of time over size, and the numbers folded."""
    numbers = html.folded("Numbers", sweep_numbers(found)) if found.races else ""
    return html.card(sweep_answer(found), sweep_lines(found), sweep_notes(found), numbers)


def sweep_answer(found: Sweep) -> str:
    """Return whom to use, and under it what was swept and how."""
    doubts = warnings(found)
    small = [line for line in remarks(found) if line not in doubts]
    small.append(f"{question(found)} \N{MIDDLE DOT} {conditions_text(found)}")
    return html.answer(" ".join(answer(found)), doubts, small)


def sweep_notes(found: Sweep) -> str:
    """Return the crossovers, and who stopped or is absent, a line each."""
    return "".join(f'<p class="fw-muted">{html.escape(note)}</p>' for note in notes(found))


def sweep_numbers(found: Sweep) -> str:
    """Return the medians as tables: a row for each size, a column for each contender."""
    tables = []
    for dtype in found.dtypes:
        heading, rows = cells(found, dtype)
        title = html.heading(dtype) if len(found.dtypes) > 1 else ""
        marked = [[html.Fault(cell) if cell == "wrong" else cell for cell in row] for row in rows]
        tables.append(title + html.table(heading, marked, numeric=heading[1:]))
    return "".join(tables)


def roofline(found: Roofline) -> str:
    """Return a roofline: a bar for each operation's share of its ceiling, and the numbers folded."""
    return html.card(roofline_answer(found), roofline_bars(found), html.folded("Numbers", roofline_numbers(found)))


def roofline_answer(found: Roofline) -> str:
    """Return who is near its ceiling and who is far from it, and the ceilings."""
    return html.answer(tables.answer(found), tables.doubt(found), [_ceilings(found)])


def roofline_numbers(found: Roofline) -> str:
    """Return all points as a table."""
    heading, rows = tables.cells(found)
    return html.table(heading, rows, numeric=[*heading[4:7], heading[8]])


def _ceilings(found: Roofline) -> str:
    """Return the ceilings in one line."""
    known = found.ceilings
    levels = [f"{level} {format_bytes(known.roof(level))}/s" for level in known.levels]
    peaks = [f"{format_count(rate)}FLOP/s in {dtype}" for dtype, rate in known.flops.items()]
    return f"measured on this machine with {known.threads} threads: {', '.join([*levels, *peaks])}"


def roofline_bars(found: Roofline) -> str:
    """Draw the share of the ceiling of each point, the highest first; it is a table without styles."""
    points = sorted(found.points, key=lambda point: -point.share)
    if not points:
        return ""
    top = max(1.0, points[0].share)
    several = len({point.contender for point in points}) > 1
    colours = theme.contender_colours(list(dict.fromkeys(point.contender for point in found.points)))
    rows = "".join(_bar(point, 100 * point.share / top, colours[point.contender], several) for point in points)
    return (
        f'<table class="fw-bars"><tbody>{rows}</tbody></table>'
        '<p class="fw-muted">share of the ceiling: the least possible time over the median that was taken</p>'
    )


def _bar(point: Placed, width: float, colour: str, several: bool) -> str:
    who = f"{spelled(point.contender)}, " if several else ""
    name = f"{point.op} {shape_words(point.shape)}"
    return (
        f'<tr><th class="fw-bars-name" scope="row">{html.escape(name)}</th><td class="fw-bars-lane"><div>'
        f'<i style="width:{width:.2f}%;background:{colour}"></i>'
        f'<span style="left:{width:.2f}%">{format_share(point.share)} <em>{html.escape(who + point.bound)}</em></span>'
        "</div></td></tr>"
    )


def sweep_lines(found: Sweep) -> str:
    """Draw time over size as SVG, both logarithmic."""
    series = [
        (name, dtype, [(size, race[name]) for size, race in found.of(dtype) if _ran(race.results, name)])
        for dtype in found.dtypes
        for name in found.contenders
    ]
    series = [one for one in series if one[2]]
    if not series:
        return ""
    sizes = [size for *_, places in series for size, _ in places]
    seconds = [end for *_, places in series for _, result in places for end in result.interval]
    across = log_axes.axis(min(sizes), max(sizes), log_axes.count)
    up = log_axes.axis(min(seconds), max(seconds), log_axes.seconds)

    def x(size: float) -> float:
        low, high = map(float, across["range"])
        return _LEFT + (math.log10(size) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(time: float) -> float:
        low, high = map(float, up["range"])
        return _HEIGHT - _BOTTOM - (math.log10(time) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    colours = theme.contender_colours(list(found.entrants))
    parts = [_vertical(x(value), text) for value, text in zip(across["tickvals"], across["ticktext"], strict=True)]
    parts += [_horizontal(y(value), text) for value, text in zip(up["tickvals"], up["ticktext"], strict=True)]
    last = [place for place, one in enumerate(series) if one[2][-1][0] == max(sizes)]
    heights = [y(series[place][2][-1][1].median) for place in last]
    ends = dict(zip(last, log_axes.apart(heights, 15, _TOP, _HEIGHT - _BOTTOM), strict=True))
    for place, (name, dtype, places) in enumerate(series):
        path = " ".join(f"{x(size):.1f},{y(result.median):.1f}" for size, result in places)
        dash = _DASHES[found.dtypes.index(dtype) % len(_DASHES)]
        look = f'fill="none" stroke="{colours[name]}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" {look}/>')
        for size, result in places:
            low, high = result.interval
            parts.append(_interval(x(size), y(low), y(high), colours[name]))
        label = f"{spelled(name)} {dtype}" if len(found.dtypes) > 1 else spelled(name)
        if place in ends:
            parts.append(_text(x(places[-1][0]) + 8, ends[place] + 4, label, "start", "text"))
        else:  # others go on beside its end, so its name stands above
            parts.append(_text(x(places[-1][0]), y(places[-1][1].median) - 7, f"{label}, stopped", "end", "text"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, f"{found.axis.name} (log)", "middle", "muted"))
    words = html.escape(f"median time per call over {found.axis.name}; the numbers stand below")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{words}" '
        f'style="max-width:100%;height:auto;margin:12px 0 2px">{"".join(parts)}</svg>'
        '<p class="fw-muted">median time per call, with 95 % interval; both axes logarithmic</p>'
    )


def _ran(results: Sequence[object], name: str) -> bool:
    return any(getattr(result, "contender", "") == name and getattr(result, "right", False) for result in results)


def _vertical(x: float, text: str) -> str:
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="var(--fw-line)"/>'
    return line + _text(x, _HEIGHT - _BOTTOM + 16, text, "middle", "muted")


def _horizontal(y: float, text: str) -> str:
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--fw-line)"/>'
    return line + _text(_LEFT - 8, y + 4, text, "end", "muted")


def _interval(x: float, bottom: float, top: float, colour: str) -> str:
    """Return the line of an interval; one that is no longer than a dot would be tells nothing and is left out."""
    look = f'stroke="{colour}" stroke-width="1.4"'
    return f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}" {look}/>' if bottom - top > 3 else ""


def _text(x: float, y: float, text: str, anchor: str, ink: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="var(--fw-{ink})">'
        f"{html.escape(text)}</text>"
    )
