"""The arrays of ``numpy.savez``: a zip archive of files of ``numpy.save``."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from workbench.arrays import dtype_name
from workbench.errors import LoadError
from workbench.models.content import Content
from workbench.models.source import ZIP_HEAD, Source, first_in_zip
from workbench.models.tensor import Tensor

from .npy import Header, pickled, placed_tensor, read_header

if TYPE_CHECKING:
    from workbench.models.stats import Scan

_AT_ONCE = 1 << 20
"""Bytes that are unpacked at once for statistics."""
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError, OverflowError),
)
"""What Python's library raises for one kind of damage or another."""


def looks_like_npz(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a zip archive whose first file is an array."""
    return first_in_zip(head).endswith(b".npy")


def archive_tensors(source: Source) -> list[Tensor]:
    """Return the arrays of an archive, from their headers alone.

    One that is not compressed is read where it lies, and only what is asked for; a compressed one from its beginning.

    Raises
    ------
    workbench.errors.LoadError
        If the archive or an array's header is damaged.
    """
    content = Content(source.given, source.path, source.data)
    with _opened(source) as archive:
        return [_tensor(source, content, archive, entry) for entry in archive.infolist() if not entry.is_dir()]


def _tensor(source: Source, content: Content, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    given = f"{entry.filename!r} in {source.given}"
    with archive.open(entry) as file:
        begun = b""

        def begin(count: int) -> bytes:
            nonlocal begun
            begun += file.read(max(count - len(begun), 0))
            return begun[:count]

        header = read_header(given, begin)
    name = entry.filename.removesuffix(".npy")
    if header.dtype.hasobject:

        def refuse() -> NoReturn:
            raise pickled(given)

        return Tensor(name, "object", header.shape, max(entry.file_size - header.nbytes, 0), refuse)
    if entry.compress_type == zipfile.ZIP_STORED:
        local = content.read(entry.header_offset, ZIP_HEAD).tobytes()
        lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        return placed_tensor(content, given, name, header, entry.header_offset + ZIP_HEAD + lengths + header.nbytes)
    if entry.file_size != header.nbytes + header.elements_nbytes:
        raise LoadError(
            f"{given} needs {header.elements_nbytes} bytes and has {entry.file_size - header.nbytes}. It is damaged: "
            "download or save it again."
        )

    member = _Compressed(source, entry, header)
    return Tensor(
        *(name, dtype_name(header.dtype), header.shape, header.elements_nbytes, member.read),
        scan=member.scan,
        scan_in_order=True,
    )


@dataclass(frozen=True)
class _Compressed:
    """An array that can only be read from its beginning: whole, or a part after the other in bounded memory."""

    source: Source
    entry: zipfile.ZipInfo
    header: Header

    def read(self) -> np.ndarray[Any, Any]:
        buffer = np.empty(self.header.elements_nbytes, np.uint8)
        with self._begun() as fill:
            fill(buffer)
        return self.header.array(buffer).reshape(self.header.shape, order="F" if self.header.fortran else "C")

    @contextmanager
    def scan(self) -> Iterator[Scan]:
        itemsize, buffer = self.header.dtype.itemsize, np.empty(_AT_ONCE, np.uint8)
        with self._begun() as fill:

            def read(first: int, last: int) -> Iterator[np.ndarray[Any, Any]]:
                for at in range(first * itemsize, last * itemsize, buffer.size):
                    part = buffer[: last * itemsize - at]
                    fill(part)
                    yield self.header.array(part)

            yield read

    @contextmanager
    def _begun(self) -> Iterator[Callable[[np.ndarray[Any, np.dtype[np.uint8]]], None]]:
        """Give what fills a buffer with the next bytes of the elements."""
        with _opened(self.source) as archive, archive.open(self.entry) as file:
            file.read(self.header.nbytes)

            def fill(buffer: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
                done = 0
                while part := file.read(min(buffer.size - done, 1 << 22)):
                    buffer[done : done + len(part)] = np.frombuffer(part, np.uint8)
                    done += len(part)
                if done < buffer.size:
                    given = f"{self.entry.filename!r} in {self.source.given}"
                    raise LoadError(f"{given} was cut off. Download or save it again.")

            yield fill


@contextmanager
def _opened(source: Source) -> Iterator[zipfile.ZipFile]:
    """Open the archive; whatever the library says of damage is an error of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.data) if source.data is not None else str(source.path)) as archive:
            yield archive
    except _DAMAGE as error:
        why = str(error) or type(error).__name__
        raise LoadError(f"{source.given} is not a whole NumPy archive: {why}. Download or save it again.") from error
