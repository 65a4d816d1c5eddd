"""The routes of a runtime as a small picture: kernels, and arrows to where their results go."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.ring.metrics import KernelMetrics, KernelStatus
from workbench.views import html

_WIDE, _TALL, _ACROSS, _UP = 132, 30, 58, 14
"""Of a kernel's box, and the room between boxes, in pixels."""
_LETTERS = 17


def routes_svg(kernels: Sequence[tuple[KernelStatus, KernelMetrics]]) -> str:
    """Draw the kernels that have to do with a route, and how many messages went along each; nothing without routes."""
    to = {status.name: (status.route, metrics.forwarded) for status, metrics in kernels if status.route}
    if not to:
        return ""
    here = {status.name for status, _ in kernels}
    targets = {name: target for name, (target, _) in to.items() if target}
    columns = _columns(targets)
    place = {name: (x, y) for x, names in enumerate(columns) for y, name in enumerate(names)}
    width = len(columns) * (_WIDE + _ACROSS) - _ACROSS
    height = max(map(len, columns)) * (_TALL + _UP) - _UP
    room = _UP + 10 if any(place[target][0] <= place[name][0] for name, target in targets.items()) else 0
    arrows = "".join(_arrow(place[name], place[target], to[name][1], height) for name, target in targets.items())
    boxes = "".join(_box(name, *_corner(*at), known=name in here) for name, at in place.items())
    words = "; ".join(f"{name} goes on to {target}" for name, target in targets.items())
    return (
        f'<svg class="fw-routes" viewBox="-1 -1 {width + 2} {height + room + 2}" width="{width + 2}" '
        f'height="{height + room + 2}" role="img" aria-label="{html.escape(words)}">{arrows}{boxes}</svg>'
    )


def _columns(targets: dict[str, str]) -> list[list[str]]:
    """Return names from left to right: each as far as the longest way to it; a circle begins where it is entered."""
    depth: dict[str, int] = {}
    into = set(targets.values())
    for first in [*(name for name in targets if name not in into), *targets]:
        at, name, way = 0, first, set()
        while name not in way and depth.get(name, -1) < at:
            way.add(name)
            depth[name] = at
            if name not in targets:
                break
            at, name = at + 1, targets[name]
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name, at in depth.items():
        columns[at].append(name)
    return [names for names in columns if names]


def _corner(x: int, y: int) -> tuple[int, int]:
    return x * (_WIDE + _ACROSS), y * (_TALL + _UP)


def _box(name: str, left: int, top: int, *, known: bool) -> str:
    missing = "" if known else ' class="fw-missing"'
    note = "" if known else ": there is no such kernel"
    words = html.escape(html.shorten(name, _LETTERS))
    return (
        f"<g{missing}><title>{html.escape(name + note)}</title>"
        f'<rect x="{left}" y="{top}" width="{_WIDE}" height="{_TALL}" rx="5"/>'
        f'<text x="{left + _WIDE / 2:g}" y="{top + _TALL / 2 + 4.5:g}">{words}</text></g>'
    )


def _arrow(start: tuple[int, int], end: tuple[int, int], count: int, height: int) -> str:
    """Return an arrow from box to box; one that leads back runs under all of them."""
    (left, top), (right, bottom) = _corner(*start), _corner(*end)
    words = f"{count:,}" if count else ""
    if end[0] > start[0]:
        x0, y0, x1, y1 = float(left + _WIDE), top + _TALL / 2, float(right - 5), bottom + _TALL / 2
        middle = (x0 + x1) / 2
        line = f"M{x0:g} {y0:g}C{middle:g} {y0:g} {middle:g} {y1:g} {x1:g} {y1:g}"
        label = f'<text x="{middle:g}" y="{(y0 + y1) / 2 - 6:g}">{words}</text>'
        head = f"M{x1 - 5:g} {y1 - 4:g}l6 4l-6 4z"
    else:
        low, aside = height + _UP, 14 if start == end else 0
        x0, x1, foot = left + _WIDE / 2 + aside, right + _WIDE / 2 - aside, bottom + _TALL + 6
        down = f"M{x0:g} {top + _TALL}V{low - 6}q0 6 -6 6"
        line = f"{down}H{x1 + 6:g}q-6 0 -6 -6V{foot}"
        label = f'<text x="{(x0 + x1) / 2:g}" y="{low - 4}">{words}</text>'
        head = f"M{x1 - 4:g} {foot + 1}l4 -6l4 6z"
    return f'<path class="fw-way" d="{line}"/><path class="fw-head" d="{head}"/>{label}'
