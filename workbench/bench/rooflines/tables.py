"""A roofline as a table and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.bench.sweeps.sizes import shape_words
from workbench.bench.verdict import spelled
from workbench.text import format_count, format_seconds, format_share, format_sizes

from .roofline import ARITHMETIC, Placed, Roofline

if TYPE_CHECKING:
    import pandas as pd

_DISTURBED = "Other programs ran while the ceilings were measured, so in truth they are higher"
_EXCEEDED = "Nothing is above a ceiling in truth, so the ceilings were measured too low"
_SURELY_ABOVE = 1.05
_AGAIN = "wb.roofline(fresh=True) measures them again when others rest."


def roofline_frame(roofline: Roofline) -> pd.DataFrame:
    """Return one row per point; times in seconds, rates per second."""
    import pandas as pd

    columns = ["op", "contender", "shape", "dtype", "bytes", "flops", "intensity", "median", "low", "high"]
    columns += ["flops_per_second", "bytes_per_second", "least", "bound", "share"]
    rows = [
        (
            *(point.op, point.contender, format_sizes(point.shape, "x"), point.dtype, point.nbytes, point.flops),
            *(point.intensity, point.seconds, point.low, point.high, point.rate, point.nbytes / point.seconds),
            *(point.least, point.bound, point.share),
        )
        for point in roofline.points
    ]
    return pd.DataFrame(rows, columns=columns)


def summary(roofline: Roofline) -> str:
    """Return the :func:`answer`, and the :func:`doubt` if there is one."""
    return " ".join([answer(roofline), *doubt(roofline)])


def doubt(roofline: Roofline) -> list[str]:
    """Return a sentence if the ceilings are not to be believed."""
    if roofline.points and roofline.ceilings.disturbed:
        return [f"{_DISTURBED}; {_AGAIN}"]
    if any(point.share > _SURELY_ABOVE for point in roofline.points):
        return [f"{_EXCEEDED}; {_AGAIN}"]
    return []


def answer(roofline: Roofline) -> str:
    """Return one sentence about the nearest and the farthest of the contender who is nearest altogether."""
    if not roofline.points:
        return "No operation has a place under the ceilings."
    shares: dict[str, float] = {}
    for point in roofline.points:
        shares[point.contender] = shares.get(point.contender, 0.0) + point.share
    most = max(shares, key=lambda name: shares[name])
    mine = sorted((point for point in roofline.points if point.contender == most), key=lambda point: point.share)
    best, worst = mine[-1], mine[0]
    told = f"{_named(roofline, best)} in {spelled(most)} reaches {format_share(best.share)} of {ceiling_words(best)}"
    if len({point.op for point in mine}) == 1:
        return f"{told}."
    least = f"{format_share(worst.share)} of {ceiling_words(worst)}"
    return f"{told}; {_named(roofline, worst)} is farthest from its ceiling, with {least}."


def ceiling_words(point: Placed) -> str:
    """Return what a point is bound by, in words."""
    return "the arithmetic" if point.bound == ARITHMETIC else f"the bandwidth of {point.bound}"


def cells(roofline: Roofline) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of a table in words, the highest share first."""
    heading = ["operation", "shape", "dtype", "contender", "time", "flop/byte", "FLOP/s", "bound by", "share"]
    rows = [
        [
            *(point.op, shape_words(point.shape), point.dtype, spelled(point.contender)),
            *(format_seconds(point.seconds), f"{point.intensity:.3g}", format_count(point.rate)),
            *(point.bound, format_share(point.share)),
        ]
        for point in sorted(roofline.points, key=lambda point: -point.share)
    ]
    return heading, rows


def roofline_text(roofline: Roofline) -> str:
    """Return the summary, the table and the ceilings as plain text."""
    heading, rows = cells(roofline)
    table = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = 4
    lines = [
        "  ".join([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])]).rstrip()
        for row in table
    ]
    failures = [f"{name}: {why}" for name, why in roofline.failures.items()]
    return "\n".join([summary(roofline), "", *lines, *failures, "", repr(roofline.ceilings)])


def _named(roofline: Roofline, point: Placed) -> str:
    """Return the operation, or its shape where it is the only one."""
    if len({each.op for each in roofline.points}) > 1:
        return point.op
    return f"{point.op} of {shape_words(point.shape)}"
