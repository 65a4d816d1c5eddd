"""Keeps the figures of a panel as wide as their places."""

from __future__ import annotations

from pathlib import Path

import anywidget


class Fit(anywidget.AnyWidget):
    """An invisible widget that tells plotly's figures when the panel around it has changed its size."""

    _esm = Path(__file__).parent / "fit.js"
