"""Which notebook ``workbench lab`` opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.errors import InputError

_FIRST = "01_workbench.ipynb"


def to_open(given: Path | None) -> Path:
    """Return the notebook to open: the given one, the first tutorial, or a new one in the current folder."""
    if given is not None:
        if not given.is_file():
            raise InputError(f"There is no notebook {str(given)!r}; without a name, the first tutorial is opened.")
        return given.resolve()
    for folder in (Path(__file__).parents[2], Path.cwd()):
        if (folder / "notebooks" / _FIRST).is_file():
            return (folder / "notebooks" / _FIRST).resolve()
    starter = Path.cwd() / "workbench.ipynb"
    if not starter.exists():
        try:
            starter.write_text(json.dumps(_STARTER, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"No notebook can be made in this folder: {error.strerror}. Go to one of your own."
            ) from error
    return starter.resolve()


_CELL: dict[str, Any] = {"cell_type": "code", "id": "workbench", "execution_count": None, "metadata": {}, "outputs": []}
_STARTER: dict[str, Any] = {
    "cells": [{**_CELL, "source": ["import workbench as wb\n", "\n", "wb.Workbench()"]}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
