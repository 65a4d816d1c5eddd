"""Small widgets that the panels share: a field under its label, pills, buttons; and the code that a panel shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import ipywidgets as widgets


class Code(str):
    """What is code already, such as the name of a variable, among the arguments of :func:`call`."""


def text(label: str, **options: Any) -> widgets.Text:
    """Return a text field under its label."""
    return _field(widgets.Text(description=label, **options))


def textarea(label: str, **options: Any) -> widgets.Textarea:
    """Return a field of several lines under its label."""
    return _field(widgets.Textarea(description=label, **options))


def combobox(label: str, options: Iterable[str], **more: Any) -> widgets.Combobox:
    """Return a text field that proposes some texts, under its label."""
    return _field(widgets.Combobox(description=label, options=list(options), **more))


def dropdown(label: str, options: Iterable[Any], **more: Any) -> widgets.Dropdown:
    """Return a drop-down list under its label."""
    return _field(widgets.Dropdown(description=label, options=list(options), **more))


def pills(label: str, options: Iterable[Any], **more: Any) -> widgets.ToggleButtons:
    """Return a choice of one among a few, all in sight, under its label."""
    return _field(widgets.ToggleButtons(description=label, options=list(options), **more))


def button(label: str, *classes: str, **options: Any) -> widgets.Button:
    """Return a button as wide as its label."""
    made = widgets.Button(description=label, layout=widgets.Layout(width="auto"), **options)
    for name in classes:
        made.add_class(name)
    return made


def box(*children: widgets.Widget, classes: str) -> widgets.VBox:
    """Return a box of widgets that wears the classes."""
    return widgets.VBox(list(children), _dom_classes=tuple(classes.split()))


def show(widget: widgets.DOMWidget, shown: bool) -> None:
    """Show or hide a widget; hidden it takes no place."""
    widget.layout.display = None if shown else "none"


def call(function: str, *arguments: Any, **options: Any) -> str:
    """Write a call as Python code; options that are None are left out.

    >>> print(call("wb.compare", "softmax", shape=(8, 64), rounds=None, contenders=["numba", "numpy"]))
    wb.compare("softmax", shape=(8, 64), contenders=["numba", "numpy"])
    """
    given = [f"{name}={literal(value)}" for name, value in options.items() if value is not None]
    return f"{function}({', '.join([*map(literal, arguments), *given])})"


def literal(value: Any) -> str:
    """Write a value as Python code, text in double quotes; a configuration of ours without what it has by default.

    >>> print(literal('a "b"'), literal(("x", 1)))
    'a "b"' ("x", 1)
    >>> from workbench.models.cache.config import CacheConfig
    >>> print(literal(CacheConfig("models", max_size_gb=10)), literal(CacheConfig("models")))
    wb.CacheConfig(dir="models", max_size_gb=10) wb.CacheConfig(dir="models")
    """
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if is_dataclass(value) and not isinstance(value, type):
        return call(f"wb.{type(value).__name__}", **_given(value))
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return repr(value)


def _given(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    return {field.name: given for field in fields(value) if (given := getattr(value, field.name)) != field.default}


def _field(widget: Any) -> Any:
    widget.layout.width = "auto"
    return widget.add_class("fw-field")
