"""The tree of a model's modules as HTML that folds and unfolds with no script."""

from __future__ import annotations

from workbench.models.modules import WEAK, Module
from workbench.text import format_bytes, format_share

from . import html

_MOST = 400
"""Modules in one picture; what lies deeper is in ``.to_pandas()``."""


def tree_card(module: Module) -> str:
    """Return the modules with their bytes and shares, those of one module inside it; the upper ones are open."""
    depth = 1
    while depth < 6 and sum(1 for _ in module.walk(depth)) < sum(1 for _ in module.walk(depth + 1)) <= _MOST:
        depth += 1
    shown = sum(1 for _ in module.walk(depth))
    title = f"{module.path or 'All modules'}: {len(module.tensors):,} tensors, {format_bytes(module.nbytes)}"
    more = '<p class="fw-muted">more: see .to_pandas()</p>' if depth < 6 or shown >= _MOST else ""
    return html.card(html.heading(title), _parts(module, depth), more if _deeper(module, depth) else "")


def _parts(module: Module, depth: int) -> str:
    children = module.children[:_MOST]
    left = len(module.children) - len(children)
    more = f'<li class="fw-muted">and {left:,} more</li>' if left else ""
    return f'<ul class="fw-tree">{"".join(_part(child, depth - 1) for child in children)}{more}</ul>'


def _part(module: Module, depth: int) -> str:
    line = (
        f"<b>{html.escape(module.name.lstrip(WEAK))}</b> "
        f"<span>{html.escape(format_bytes(module.nbytes))}, {format_share(module.share)}</span>"
        f'<i style="width:{100 * module.share:.2f}%"></i>'
    )
    if not module.children or depth < 1:
        return f"<li>{line}</li>"
    return f"<li><details><summary>{line}</summary>{_parts(module, depth)}</details></li>"


def _deeper(module: Module, depth: int) -> bool:
    return any(level == depth and below.children for level, below in module.walk(depth))
