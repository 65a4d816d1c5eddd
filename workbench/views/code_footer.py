"""The line that ends each panel: the code that does the same in a cell, with a button that copies it."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets


class CodeFooter(anywidget.AnyWidget):
    """Code, and a button that copies it.

    Parameters
    ----------
    code
        Python that a user can paste into a cell; may change later.
    """

    _esm = Path(__file__).parent / "code_footer.js"
    code = traitlets.Unicode().tag(sync=True)

    def __init__(self, code: str = "") -> None:
        super().__init__(code=code)
        self.add_class("fw-footer")

    def __repr__(self) -> str:
        return f"CodeFooter({self.code!r})"
