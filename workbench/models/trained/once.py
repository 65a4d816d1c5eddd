"""Folders that are made on first use and kept, also where several processes want the same at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from workbench.errors import LoadError


def cache_folder() -> Path:
    """Return where samples are kept for this user."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(base or Path.home() / ".cache") / "fusion-workbench" / "samples"


def made_once(target: Path, save: Callable[[Path], None], name: str) -> Path:
    """Return the folder of a model, made if it is not there.

    Parameters
    ----------
    target
        Of the model.
    save
        Writes the model into an empty folder.
    name
        Of the sample, for a message.

    Raises
    ------
    workbench.errors.LoadError
        If nothing can be written there.
    """
    if (target / "config.json").is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    except OSError as error:
        raise LoadError(
            f"sample:{name} cannot be saved in {target.parent}: {error.strerror}. Set XDG_CACHE_HOME to a folder that "
            "can be written."
        ) from error
    try:
        save(building)
        building.chmod(0o755)
        try:
            building.rename(target)
        except OSError:  # the folder was there; with a model in it another process was faster, and reads it already
            if not (target / "config.json").is_file():
                shutil.copytree(building, target, dirs_exist_ok=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target
