"""Where names stand in a chart of many points: beside their points, covering neither a point nor another name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from workbench.views import template

WIDTH = 520
"""Pixels for which names are laid out; in a wider figure they are farther apart."""
_CHARACTER = 6.8
_DOT = 6


class Box(NamedTuple):
    """A place in pixels from the lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the common area."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across * up if across > 0 and up > 0 else 0.0


class Plane:
    """The area of a chart, and what in it is taken.

    Parameters
    ----------
    across, up
        The ends of the axes, as plotly has them: of a logarithmic one the powers of ten.
    tall
        The height in pixels.
    points
        The points of the chart, in the units of the axes.
    """

    def __init__(
        self, across: Sequence[float], up: Sequence[float], tall: float, points: Sequence[tuple[float, float]]
    ) -> None:
        self._across, self._up, self._tall = across, up, tall
        self._taken: list[Box] = []
        self._lines: list[Box] = []
        for point in points:
            x, y = self._spot(*point)
            self._taken.append(Box(x - _DOT, y - _DOT, x + _DOT, y + _DOT))

    def covers(self, one: tuple[float, float], other: tuple[float, float]) -> bool:
        """Tell whether the dot of a point covers most of that of another."""
        return math.dist(self._spot(*one), self._spot(*other)) < _DOT

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Note a line, which names cover only where there is no better place."""
        (left, low), (right, high) = self._spot(*start), self._spot(*end)
        steps = max(int((right - left) / 8), 1)
        for step in range(steps):
            x, y = left + (right - left) * step / steps, low + (high - low) * step / steps
            self._lines.append(Box(x - 4, y - 1, x + 4, y + 1))

    def under(self, x: float, y: float, words: str) -> dict[str, Any]:
        """Return a quiet name to the right of a place and under it."""
        left, top = self._spot(x, y)
        self._taken.append(Box(left, top - 16, left + 5 + _CHARACTER * len(words), top))
        place = {"x": x, "y": y, "xshift": 5, "yshift": 3, "xanchor": "left", "yanchor": "top"}
        return {**place, **_quiet(words)}

    def above(self, start: float, y: float, words: str) -> dict[str, Any]:
        """Return a quiet name above a level line that begins at ``start``: there where it covers least."""
        first, height = self._spot(start, y)
        width = _CHARACTER * len(words)
        ends = list(range(WIDTH, int(first + width), -20)) or [WIDTH]
        boxes = [Box(end - width, height + 1, end, height + 17) for end in ends]
        box = min(boxes, key=lambda box: sum(box.overlap(other) for other in self._taken))
        self._taken.append(box)
        at = self._across[0] + box.right / WIDTH * (self._across[1] - self._across[0])
        return {"x": at, "y": y, "xanchor": "right", "yanchor": "bottom", **_quiet(words)}

    def beside(self, x: float, y: float, words: str) -> dict[str, Any]:
        """Return a name beside a point, with a thin line to it where it is not the next thing to it."""
        spot = self._spot(x, y)
        side, step = offset = min(_OFFSETS, key=lambda offset: self._cost(spot, offset, words))
        self._taken.append(_around(spot, offset, words))
        far = abs(step) > 16 or (side and step)
        return {
            "x": x,
            "y": y,
            "text": template.plain(words, 48),
            "font": {"size": 12, "color": template.INK},
            "xanchor": {1.0: "left", -1.0: "right", 0.0: "center"}[side],
            "yanchor": "middle",
            "ax": side * (9 + abs(step) / 4),
            "ay": -step,
            "showarrow": True,
            "arrowhead": 0,
            "standoff": 5,
            "arrowwidth": 0.8,
            "arrowcolor": template.MUTED if far else "rgba(0,0,0,0)",
        }

    def _spot(self, x: float, y: float) -> tuple[float, float]:
        return (
            (x - self._across[0]) / (self._across[1] - self._across[0]) * WIDTH,
            (y - self._up[0]) / (self._up[1] - self._up[0]) * self._tall,
        )

    def _cost(self, spot: tuple[float, float], offset: tuple[float, float], words: str) -> float:
        """Return how bad a place is: what it covers, then how far away it is."""
        box = _around(spot, offset, words)
        outside = max(0.0, box.right - WIDTH) + max(0.0, -box.left) + max(0.0, -box.bottom)
        covered = sum(box.overlap(other) for other in self._taken) + 20 * outside
        crossed = sum(box.overlap(line) for line in self._lines)
        return 100 * covered + crossed / 4 + abs(offset[1]) + _OFFSETS.index(offset) / 9


def _quiet(words: str) -> dict[str, Any]:
    """Return the look of a name on a line, which it interrupts."""
    font = {"size": 12, "color": template.MUTED}
    return {"text": template.plain(words), "showarrow": False, "font": font, "bgcolor": template.PAPER, "borderpad": 1}


def _around(spot: tuple[float, float], offset: tuple[float, float], words: str) -> Box:
    """Return the box of a name."""
    half = _CHARACTER / 2 * len(words) + 4
    (x, y), (side, step) = spot, offset
    centre = x + side * (half + 9 + abs(step) / 4)
    return Box(centre - half, y + step - 8, centre + half, y + step + 8)


_OFFSETS = [
    *((1.0, 0.0), (-1.0, 0.0), (0.0, 16.0), (0.0, -16.0)),
    *((side, step) for step in (16.0, -16.0, 30.0, -30.0, 44.0, -44.0, 60.0, -60.0) for side in (1.0, -1.0, 0.0)),
]
"""Places of a name's centre beside its point, in pixels, the best first; (1, 0) is to the right."""
