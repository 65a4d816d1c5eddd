"""The tree of a model's modules as HTML that folds and unfolds with no script."""

from __future__ import annotations

from workbench.models.modules import WEAK, Module
from workbench.text import format_bytes, format_share
from workbench.views import html

_DEEPEST, _MOST, _BAR = 12, 400, 240
"""Levels and modules in one picture, of which what lies deeper is in ``.to_pandas()``; pixels of the longest bar."""


def tree_card(module: Module) -> str:
    """Return the modules with their bytes and shares, those of one module inside it."""
    title = f"{module.path or 'All modules'}: {len(module.tensors):,} tensors, {format_bytes(module.nbytes)}"
    return html.card(html.heading(title), tree(module))


def tree(module: Module) -> str:
    """Return the inside of the card."""
    depth, modules = 0, 1
    while depth < _DEEPEST and modules < (more := sum(1 for _ in module.walk(depth + 1))) <= _MOST:
        depth, modules = depth + 1, more
    depth = max(depth, 1)
    cut = any(level == depth and below.children for level, below in module.walk(depth))
    return _parts(module, depth) + ('<p class="fw-muted">deeper: see .to_pandas()</p>' if cut else "")


def _parts(module: Module, depth: int) -> str:
    children = module.children[:_MOST]
    left = len(module.children) - len(children)
    more = f'<li class="fw-muted">and {left:,} more</li>' if left else ""
    return f'<ul class="fw-tree">{"".join(_part(child, depth - 1) for child in children)}{more}</ul>'


def _part(module: Module, depth: int) -> str:
    line = (
        f"<b>{html.escape(module.name.lstrip(WEAK))}</b> "
        f"<span>{html.escape(format_bytes(module.nbytes))}, {format_share(module.share)}</span>"
        f'<i style="width:{_BAR * module.share:.1f}px"></i>'
    )
    if not module.children or depth < 1:
        return f"<li>{line}</li>"
    return f"<li><details><summary>{line}</summary>{_parts(module, depth)}</details></li>"
