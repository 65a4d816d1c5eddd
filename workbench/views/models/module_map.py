"""A map of a model's bytes: each area of the map is a button that chooses a module.

Plotly has a tree map too, but a click on one of its areas zooms into it and hides the rest, which cannot be turned off,
and the keyboard does not reach its areas.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from workbench.text import format_bytes, format_count
from workbench.views import theme

from .modules import Area

COLOURS = ("#0072B2", "#56B4E9", "#009E73")
REST = "#8C8C8C"
"""The three largest families have a colour each and the others are grey: more would be a rainbow that says nothing."""

WIDTH, HEIGHT = 1000.0, 210.0


class ModuleMap(anywidget.AnyWidget):
    """Areas as large as their bytes; those of one family, such as the layers of one encoder, have one colour.

    Parameters
    ----------
    areas
        From :func:`workbench.views.modules.areas`.

    Attributes
    ----------
    chosen
        Index of the area that is pressed; -1 if none is.
    """

    _esm = Path(__file__).parent / "module_map.js"
    _tiles = traitlets.List(traitlets.Dict()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)

    def __init__(self, areas: Sequence[Area]) -> None:
        super().__init__(_tiles=tiles(areas))


def tiles(areas: Sequence[Area]) -> list[dict[str, Any]]:
    """Return what is drawn of each area: place and size in percent, colours, and words."""
    ordered = sorted((area for area in areas if area.nbytes), key=lambda area: -area.nbytes)
    index = {id(area): place for place, area in enumerate(areas)}
    families = list(dict.fromkeys(area.family for area in ordered))
    colours = dict(zip(families, itertools.chain(COLOURS, itertools.repeat(REST)), strict=False))
    total = sum(area.nbytes for area in ordered)
    places = squarify([float(area.nbytes) for area in ordered], WIDTH, HEIGHT)
    return [
        {
            "index": index[id(area)],
            "label": area.label,
            "note": format_bytes(area.nbytes),
            "title": f"{area.label}\n{format_bytes(area.nbytes)}, {area.nbytes / total:.1%} of all\n"
            f"{format_count(area.elements)} elements in {area.tensors} tensors",
            "left": 100 * place.left / WIDTH,
            "top": 100 * place.top / HEIGHT,
            "width": 100 * place.width / WIDTH,
            "height": 100 * place.height / HEIGHT,
            "colour": colours[area.family],
            "ink": theme.ink_on(colours[area.family]),
        }
        for area, place in zip(ordered, places, strict=True)
    ]


@dataclass(frozen=True)
class Rectangle:
    """A place on the map."""

    left: float
    top: float
    width: float
    height: float


def squarify(sizes: Sequence[float], width: float, height: float) -> list[Rectangle]:
    """Divide a rectangle into parts of given relative sizes, each as near to a square as goes.

    Parameters
    ----------
    sizes
        Positive, the largest first.
    width, height
        Of the whole.

    Notes
    -----
    Bruls, Huizing and van Wijk: Squarified Treemaps, 2000.
    """
    scale = width * height / sum(sizes) if sizes else 0.0
    rest = [size * scale for size in sizes]
    left = top = 0.0
    placed: list[Rectangle] = []
    while rest:
        side = min(width, height)
        count = 1
        while count < len(rest) and _worst(rest[: count + 1], side) <= _worst(rest[:count], side):
            count += 1
        row, rest = rest[:count], rest[count:]
        depth = sum(row) / side
        at = 0.0
        for area in row:
            length = area / depth
            if width >= height:
                placed.append(Rectangle(left, top + at, depth, length))
            else:
                placed.append(Rectangle(left + at, top, length, depth))
            at += length
        if width >= height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """Return the greatest ratio of length to width in a row of areas that lies along a side."""
    total = sum(row)
    return max(side * side * max(row) / (total * total), total * total / (side * side * min(row)))
