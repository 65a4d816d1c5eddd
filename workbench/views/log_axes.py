"""Axes of powers of ten: where the ticks stand, how they read, and labels that do not cover each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from workbench.text import time_unit

_FEW_DECADES = 2.6


def axis(low: float, high: float, write: Callable[[float], str]) -> dict[str, Any]:
    """Return a logarithmic axis of plotly: its range, and ticks with words.

    Parameters
    ----------
    low, high
        Of the values.
    write
        Makes the words of a tick.
    """
    start, end = math.log10(low), math.log10(high)
    margin = 0.04 * max(end - start, 0.5)
    start, end = start - margin, end + margin
    values = [value for value in _ticks(10**start, 10**end) if start <= math.log10(value) <= end]
    return {"type": "log", "range": [start, end], "tickvals": values, "ticktext": [write(value) for value in values]}


def seconds(value: float) -> str:
    """Write a time of one digit, such as ``20 ms``."""
    sign, size = time_unit(value)
    return f"{value / size:g} {sign}"


def count(value: float) -> str:
    """Write a count of one digit, such as ``20 k``."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:g} {sign}"
    return f"{value:g}"


def apart(places: Sequence[float], distance: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Return places at least ``distance`` from each other, in the same order and as near to the given as that allows.

    Where there is room for all, they lie between ``low`` and ``high``.

    >>> apart([0.0, 0.1, 5.0], 1.0)
    [-0.45, 0.55, 5.0]
    >>> apart([0.0, 0.1, 5.0], 1.0, low=0.0, high=4.5)
    [0.0, 1.0, 4.5]
    """
    order = sorted(range(len(places)), key=lambda at: places[at])
    groups: list[list[int]] = []
    for at in order:
        groups.append([at])
        while (
            len(groups) > 1
            and _centre(groups[-1], places) - _centre(groups[-2], places)
            < distance * (len(groups[-1]) + len(groups[-2])) / 2
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = list(places)
    for group in groups:
        if len(group) > 1:
            first = _centre(group, places) - distance * (len(group) - 1) / 2
            for step, at in enumerate(group):
                moved[at] = first + step * distance
    for at in order:
        moved[at] = low = max(moved[at], low)
        low += distance
    for at in reversed(order):
        moved[at] = high = min(moved[at], high)
        high -= distance
    return moved


def _centre(group: Sequence[int], places: Sequence[float]) -> float:
    return sum(places[at] for at in group) / len(group)


def _ticks(low: float, high: float) -> list[float]:
    few = math.log10(high / low) <= _FEW_DECADES
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [float(f"{digit}e{power}") for power in powers for digit in ((1, 2, 5) if few else (1,))]
