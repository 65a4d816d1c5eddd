"""Numbers as files: what a value writes as CSV and Parquet, for a link in a page and a button in a panel."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

import anywidget

from workbench.errors import MissingLibraryError, WorkbenchError

from . import html

KINDS = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}


class Files(anywidget.AnyWidget):
    """Buttons that bring the numbers of a value to the browser's machine, as CSV or as Parquet.

    Parameters
    ----------
    of
        What has ``to_csv`` and ``to_parquet``; may change later.
    name
        Of the files, without their suffix.
    """

    _esm = Path(__file__).parent / "files.js"

    def __init__(self, of: Any, name: str) -> None:
        super().__init__()
        self.of, self.name = of, name
        self.on_msg(self._asked)

    def __repr__(self) -> str:
        return f"Files({self.name!r})"

    def _asked(self, _: Any, asked: dict[str, Any], __: Any) -> None:
        kind = str(asked["kind"])
        try:
            self.send({"name": file_name(self.name, kind)}, [content(self.of, kind)])
        except WorkbenchError as error:
            self.send({"failed": str(error)})


def content(of: Any, kind: str) -> bytes:
    """Return what ``of.to_csv`` or ``of.to_parquet`` writes.

    Raises
    ------
    workbench.errors.WorkbenchError
        As these do, if pyarrow is missing say.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"numbers.{kind}"
        getattr(of, f"to_{kind}")(path)
        return path.read_bytes()


def links(of: Any, name: str) -> str:
    """Return links that hold the files themselves, for a page that stands alone; Parquet where it can be written."""
    found = []
    for kind, (label, mime) in KINDS.items():
        try:
            data = base64.b64encode(content(of, kind)).decode("ascii")
        except MissingLibraryError:
            continue
        file = html.escape(file_name(name, kind))
        found.append(f'<a download="{file}" href="data:{mime};base64,{data}">{label}</a>')
    return f'<p class="fw-files">The numbers as {" and ".join(found)}</p>'


def file_name(name: str, kind: str) -> str:
    """Return the name of a file that every system takes.

    >>> file_name("softmax 8 x 64", "csv")
    'softmax-8-x-64.csv'
    """
    return f"{re.sub(r'[^A-Za-z0-9_.]+', '-', name).strip('-.') or 'numbers'}.{kind}"
