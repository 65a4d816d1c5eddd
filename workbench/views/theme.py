"""The look: colours with their contrast, the style sheets, and the widget that brings them to a live panel."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ipywidgets as widgets

_HERE = Path(__file__).parent

SHEETS = ("tokens", "card", "theme", "app", "table", "figure", "pipeline", "ring")
CONTENDER_COLOURS = {
    "numba": "#E69F00",
    "torch": "#D55E00",
    "onnxruntime": "#0072B2",
    "jax": "#009E73",
    "cupy": "#CC79A7",
    "numexpr": "#56B4E9",
    "numpy": "#8C8C8C",
    "torch.compile": "#9C5A3C",
    "polyglot-bridge": "#7E5FB5",
    # On a GPU others race, and these have the colours of who does not.
    "fused": "#E69F00",
    "triton": "#0072B2",
    "liger": "#009E73",
    "fused-cupy": "#56B4E9",
}
"""One colour per contender wherever it is drawn: Okabe and Ito's palette, which colour-blind people can tell apart.

The last two race only by name; the palette is used up, so they are as far from the others as is left.
"""

_OTHERS = ("#009E73", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00", "#E69F00")


def contender_colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each contender; users' own take those of the palette that no other has.

    >>> contender_colours(["numba", "mine"])
    {'numba': '#E69F00', 'mine': '#009E73'}
    """
    return colours(names, CONTENDER_COLOURS)


def colours(names: list[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return a colour for each name: its own if it is known, else one of the palette that no other has.

    >>> colours(["b", "a", "known"], {"known": "#009E73"})
    {'b': '#56B4E9', 'a': '#CC79A7', 'known': '#009E73'}
    """
    found = {name: known[name] for name in names if name in known}
    free = [colour for colour in _OTHERS if colour not in found.values()] or list(_OTHERS)
    own = sorted(name for name in names if name not in found)  # so that their order does not matter
    found.update({name: free[place % len(free)] for place, name in enumerate(own)})
    return {name: found[name] for name in names}


@functools.cache
def css(*files: str) -> str:
    """Return style sheets as one text without comments; all that panels use if none is named."""
    text = "\n".join((_HERE / f"{name}.css").read_text(encoding="utf-8") for name in files or SHEETS)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).strip()


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2, relative luminance).

    >>> round(contrast("#ffffff", "#000000"), 1)
    21.0
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(area: str) -> str:
    """Return the text colour, near black or white, that is read better on a coloured area."""
    return max(("#111417", "#ffffff"), key=lambda ink: contrast(ink, area))


def style() -> widgets.Box:
    """Return an invisible widget that brings the style sheets and keeps the figures beside it as wide as it is."""
    import ipywidgets as widgets

    from .fit import Fit

    return widgets.Box([widgets.HTML(f"<style>{css()}</style>"), Fit()], layout=widgets.Layout(display="none"))


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
