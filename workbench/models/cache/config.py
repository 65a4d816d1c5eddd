"""Where models from the hub are kept, and how much room they may take."""

from __future__ import annotations

import math
import numbers
import os
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError


@dataclass(frozen=True)
class CacheConfig:
    """A folder for models, and its budget.

    Parameters
    ----------
    dir
        Folder in the layout of huggingface_hub's own cache, so that it can be one that is in use already. It is made
        when it is first needed.
    max_size_gb
        Budget in gigabytes of 10\N{SUPERSCRIPT NINE} bytes, over all models in the folder, whoever fetched them; the
        least recently used go first. None for no limit.

    Raises
    ------
    workbench.errors.InputError
        If the folder is no path, or the budget no positive number.
    """

    dir: str | os.PathLike[str]
    max_size_gb: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dir, str | os.PathLike) or not os.fspath(self.dir):
            raise InputError(f"dir must be a path to a folder, got {self.dir!r}.")
        size = self.max_size_gb
        if size is None:
            return
        if isinstance(size, bool) or not isinstance(size, numbers.Real) or not 0 < size < math.inf:
            raise InputError(
                f"max_size_gb must be gigabytes, more than 0 and finite, or None for no limit; got {size!r}."
            )

    @property
    def folder(self) -> Path:
        """The folder, absolute, with ``~`` as the user's home."""
        return Path(self.dir).expanduser().absolute()

    @property
    def max_bytes(self) -> float:
        """The budget in bytes; infinite if there is none."""
        return math.inf if self.max_size_gb is None else self.max_size_gb * 1e9
