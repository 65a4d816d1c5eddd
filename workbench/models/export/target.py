"""Where a new model goes: written beside its place and moved there when it is whole; a failure leaves nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import InputError


def target_path(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the path of a model that is to be written.

    Raises
    ------
    workbench.errors.InputError
        If it is a folder, if its folder is not there, or if there is a file and ``overwrite`` is False.
    """
    try:
        target = Path(os.fsdecode(path)).expanduser().absolute()
    except (TypeError, RuntimeError) as error:
        raise InputError(f"{path!r} is no path ({error}); give one such as 'model.onnx'.") from error
    if target.is_dir():
        raise InputError(f"{path} is a folder; name a file in it, such as {Path(path) / 'model.onnx'}.")
    if not target.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {target.parent}. Make it first.")
    if target.exists() and not overwrite:
        raise InputError(f"{path} is there already. Give another path, or overwrite=True to replace it.")
    return target


@contextmanager
def written_beside(target: Path) -> Iterator[Path]:
    """Give a path of the same name in a folder of its own beside the target; all in it is moved there in the end.

    An ONNX file names its external data by their file's name, which therefore stays as it is. The data are moved first:
    at no time does the target exist without them. If the block fails, the folder goes and the target is as it was.
    """
    try:
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    except OSError as error:
        raise InputError(f"{target.parent} cannot be written to: {error.strerror}. Give another folder.") from error
    try:
        yield making / target.name
        made = sorted(making.iterdir(), key=lambda path: (path.name == target.name, path.name))
        for path in made:
            path.replace(target.parent / path.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)
