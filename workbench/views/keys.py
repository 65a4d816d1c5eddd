"""The keyboard of a panel."""

from __future__ import annotations

from pathlib import Path

import anywidget


class Keys(anywidget.AnyWidget):
    """An invisible widget through which Ctrl+Enter in a text field starts the job of the panel around it."""

    _esm = Path(__file__).parent / "keys.js"

    def __init__(self) -> None:
        super().__init__()
        self.layout.display = "none"
