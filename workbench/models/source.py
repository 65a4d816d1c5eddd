"""What the user gave to ``load``, ready to be read, and named in messages as the user named it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.errors import LoadError

ZIP_HEAD = 30
"""Bytes of a file's own header in a zip archive, before its name."""


@dataclass(frozen=True, eq=False)
class Source:
    """A file, a folder, bytes, an object in memory or the id of a model on the hub: one of them.

    Parameters
    ----------
    given
        As the user wrote it, for messages: ``"models/resnet.onnx"``, ``"the given bytes object"``.
    label
        Short name for what is shown: the file's or folder's own name, without the path.
    path
        An existing regular file or folder.
    data
        The file's content.
    value
        An object such as a ModelProto.
    hub_id
        ``organisation/name`` or ``name``.
    hint
        What else the user may have meant, for the message when this fails.
    """

    given: str
    label: str
    path: Path | None = None
    data: bytes | None = None
    value: Any = None
    hub_id: str | None = None
    hint: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder."""
        return self.path is not None and self.path.is_dir()

    @property
    def is_file(self) -> bool:
        """Whether this has the bytes of a file, on disk or in memory."""
        return self.data is not None or (self.path is not None and not self.is_folder)

    @cached_property
    def size(self) -> int:
        """Bytes of the file."""
        if self.data is not None:
            return len(self.data)
        return self.path.stat().st_size if self.path is not None else 0

    @cached_property
    def head(self) -> bytes:
        """Return the first 512 bytes of the file, by which formats are told apart."""
        return self.read(512) if self.is_file else b""

    def read(self, count: int = -1) -> bytes:
        """Read the first ``count`` bytes of the file, all of it if negative."""
        if self.data is not None:
            return self.data if count < 0 else self.data[:count]
        assert self.path is not None
        try:
            # without a buffer, which would read thousands of bytes where few are asked for
            with self.path.open("rb", buffering=0) as file:
                return file.read(count) or b""
        except OSError as error:
            raise LoadError(f"{self.given} cannot be read: {error.strerror}. Check who may read it.") from error

    def listing(self, limit: int = 8) -> str:
        """Return some of the names in the folder, for messages."""
        assert self.path is not None
        try:
            names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(self.path))
        except OSError as error:
            raise LoadError(f"{self.given} cannot be listed: {error.strerror}. Check who may read it.") from error
        if not names:
            return "nothing"
        return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def first_in_zip(head: bytes) -> bytes:
    r"""Return the name of the first file in a zip archive, by the archive's first bytes; empty if it is none.

    >>> first_in_zip(b"PK\x03\x04" + bytes(22) + b"\x05\x00" + bytes(2) + b"a.npy...")
    b'a.npy'
    """
    return head[ZIP_HEAD : ZIP_HEAD + int.from_bytes(head[26:28], "little")] if head.startswith(b"PK\x03\x04") else b""
