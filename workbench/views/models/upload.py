"""A button that sends a file from the browser's machine to the kernel's, of any size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from workbench.errors import LoadError


class Upload(anywidget.AnyWidget):
    """Receives files into a temporary folder that lives as long as this widget.

    Parameters
    ----------
    received
        Called with the path of each file that has arrived.
    fail
        Called with the error if one cannot be kept.
    accept
        Suffixes that the browser offers.
    """

    _esm = Path(__file__).parent / "upload.js"
    accept = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, received: Callable[[Path], None], fail: Callable[[Exception], None], accept: tuple[str, ...]
    ) -> None:
        super().__init__(accept=",".join(accept))
        self._received, self._fail = received, fail
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-uploads-")
        self._path = Path(self._folder.name)
        self.on_msg(self._piece)

    def _piece(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        try:
            arrived = self._keep(str(content["name"]), int(content["start"]), buffers[0])
            self.send({"received": arrived})
            if arrived >= int(content["size"]):
                self._received(self._path)
        except Exception as error:
            self.send({"failed": True})
            self._fail(error)

    def _keep(self, name: str, start: int, piece: memoryview) -> int:
        """Append a piece to its file and return the file's size."""
        if start == 0:  # a folder for each: a model that is still open reads from the file of the same name before
            self._path = Path(tempfile.mkdtemp(dir=self._folder.name)) / (Path(name).name or "model")
            self._path.touch()
        if start != self._path.stat().st_size:
            raise LoadError(f"The upload of {self._path.name} lost a piece at byte {start:,}. Upload it again.")
        try:
            with self._path.open("ab") as file:
                file.write(piece)
        except OSError as error:
            raise LoadError(
                f"{self._path.name} cannot be kept in {self._folder.name}: {error.strerror}. "
                "Make room there, or give the path of a file that the kernel can read."
            ) from error
        return self._path.stat().st_size
