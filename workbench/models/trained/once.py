"""Folders that are made on first use and kept, also where several processes want the same at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from workbench.errors import LoadError
from workbench.folders import cache_folder


def made_once(
    name: str, save: Callable[[Path], None], folder: str | os.PathLike[str] | None = None, *, version: int = 1
) -> Path:
    """Return the folder of a sample, made if it is not there.

    Parameters
    ----------
    name
        Of the sample.
    save
        Writes it into an empty folder.
    folder
        Where it is to lie; in the user's cache folder if None.
    version
        In the name of the folder that is kept there; changed with what is made.

    Raises
    ------
    workbench.errors.LoadError
        If nothing can be written there.
    """
    target = Path(folder) if folder is not None else cache_folder() / "samples" / f"{name}-{version}"
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
