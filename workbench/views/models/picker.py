"""A file picker for the machine on which the kernel runs: folders, and what can be loaded as a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from workbench.errors import LoadError
from workbench.text import format_bytes

MODEL_SUFFIXES = (".onnx", ".safetensors")


class FilePicker(anywidget.AnyWidget):
    """A folder as a list: a click on a folder opens it, one on a model chooses it.

    Shown are the folders, the ``.onnx`` and ``.safetensors`` files, and as models the folders with a
    ``config.json``; what begins with a dot is left out.

    Parameters
    ----------
    choose
        Called with the path of the model that was clicked.
    fail
        Called with the error where a folder cannot be read.
    folder
        Where to begin; the kernel's current folder if None.
    """

    _esm = Path(__file__).parent / "picker.js"
    folder = traitlets.Unicode().tag(sync=True)
    entries: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    def __init__(
        self, choose: Callable[[Path], None], fail: Callable[[Exception], None], folder: str | Path | None = None
    ) -> None:
        super().__init__()
        self._choose, self._fail = choose, fail
        self.add_class("fw-picker")
        self.on_msg(self._clicked)
        self.show(Path.cwd() if folder is None else Path(folder))

    def show(self, folder: Path) -> None:
        """List a folder; one that cannot be read is a :class:`~workbench.errors.LoadError`, and the list stays."""
        folder = folder.expanduser().absolute()
        entries = list_models(folder)
        with self.hold_sync():
            self.folder, self.entries = str(folder), entries

    def pick(self, name: str) -> None:
        """Do what a click on the entry does; ``..`` is the folder above."""
        if name == "..":
            self.show(Path(self.folder).parent)
            return
        path = Path(self.folder) / name
        if any(entry["name"] == name and entry["model"] for entry in self.entries):
            self._choose(path)
        else:
            self.show(path)

    def _clicked(self, _: Any, content: dict[str, Any], __: Any) -> None:
        try:
            self.pick(str(content.get("pick", "")))
        except Exception as error:
            self._fail(error)


def list_models(folder: Path) -> list[dict[str, Any]]:
    """Return the folders and models in ``folder``: name, whether it is a model, and a note; models first."""
    try:
        found = [entry for path in folder.iterdir() if (entry := _entry(path))]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LoadError(f"The folder {folder} cannot be read: {reason}. Choose another one, or type a path.") from error
    return sorted(found, key=lambda entry: (not entry["model"], str(entry["name"]).casefold()))


def _entry(path: Path) -> dict[str, Any] | None:
    try:
        if path.name.startswith("."):
            return None
        if path.is_dir():
            model = (path / "config.json").is_file()
            return {"name": path.name, "model": model, "note": "Hugging Face model" if model else "folder"}
        if path.suffix in MODEL_SUFFIXES and path.is_file():
            return {"name": path.name, "model": True, "note": format_bytes(path.stat().st_size)}
    except OSError:  # a file that vanished, or that may not be looked at
        return None
    return None
