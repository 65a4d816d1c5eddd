"""The bytes of a model's file, read a few at a time where few are asked for.

What is read is copied by the system's own call, which reports a file that has become shorter. A memory map does not:
the process that touches a page that is gone is ended by a signal (SIGBUS), which no Python code can catch. So windows
and small tensors never touch a map, and statistics do only while nobody can cut the file short. It remains for whole
tensors that are large, which it brings many times faster and without memory of their own; for these the length of the
file is looked at first.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, numpy_dtype, stored_nbytes
from workbench.errors import LoadError

from .packed import group_size, unpack

MAP_FROM = 16_000_000
"""Bytes from which a whole tensor is mapped. Copying fewer takes a few milliseconds."""

_AT_ONCE = 3 << 18
"""Bytes that stay in a core's cache until they are used; a multiple of three, in which elements of 6 bits are whole."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Content:
    """The bytes of a file, on disk or in memory.

    Parameters
    ----------
    given
        The file, as messages name it.
    path
        Where it lies; it is opened by the first read and closed with this object.
    data
        Its bytes, where they are in memory.

    Raises
    ------
    workbench.errors.LoadError
        If it cannot be read, here or later; later also if it is no longer the file that it was.
    """

    def __init__(self, given: str, path: Path | None = None, data: bytes | None = None) -> None:
        self._given, self._path, self._data = given, path, data
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._map: mmap.mmap | None = None
        if path is None:
            assert data is not None
            self.size = len(data)
        else:
            try:
                self._stamp = _stamp(path.stat())
            except OSError as error:
                raise self._unreadable(error) from error
            self.size = self._stamp[0]

    def read(self, start: int, nbytes: int) -> Bytes:
        """Return some bytes: a copy of what is in a file, a view of what is in memory."""
        if self._data is not None:
            return self._whole(np.frombuffer(memoryview(self._data)[start : start + nbytes], np.uint8), nbytes)
        descriptor = self._open()
        self._check(os.fstat(descriptor))
        if start + nbytes > self.size:  # before so much memory is asked for
            raise self._shorter()
        buffer = np.empty(nbytes, np.uint8)
        self._fill(descriptor, buffer, start)
        return buffer

    def view(self, start: int, nbytes: int) -> Bytes:
        """Return some bytes, read-only and by memory map where there are many."""
        if self._data is not None or nbytes < MAP_FROM:
            return self.read(start, nbytes)
        descriptor = self._open()
        self._check(os.fstat(descriptor))
        with self._lock:
            try:
                self._map = self._map or mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            except OSError as error:
                raise self._unreadable(error) from error
        return self._whole(np.frombuffer(memoryview(self._map)[start : start + nbytes], np.uint8), nbytes)

    @contextmanager
    def scan(self, *, whole: bool = False) -> Iterator[Callable[[int, int], Iterator[Bytes]]]:
        """Open the file for one thread that reads a lot of it.

        Parameters
        ----------
        whole
            Whether arrays may be as large as what is asked for; else they are cut to what a core's cache has room for.

        Yields
        ------
        callable
            Reads so many bytes from a place on, as arrays one after the other; each is good until the next.
        """
        if self._path is None:
            yield lambda start, nbytes: _cut(self.read(start, nbytes), whole)
            return
        windows, buffer = None, np.empty(_AT_ONCE, np.uint8)
        descriptor = self._opened(self._path)
        try:
            if sys.platform == "linux":
                from .windows import Windows

                windows = Windows(descriptor, self.size)

            def parts(start: int, nbytes: int) -> Iterator[Bytes]:
                self._check(os.fstat(descriptor))
                if windows is not None and (window := windows.get(start, nbytes)) is not None:
                    yield from _cut(window, whole)
                    return
                for first in range(start, start + nbytes, buffer.size):
                    part = buffer[: start + nbytes - first]
                    self._fill(descriptor, part, first)
                    yield part

            yield parts
        finally:
            if windows is not None:
                windows.close()
            os.close(descriptor)

    @contextmanager
    def scan_elements(self, start: int, dtype: str) -> Iterator[Callable[[int, int], Iterator[np.ndarray[Any, Any]]]]:
        """Open a tensor for one thread that reads all of it; as :meth:`scan`, and :meth:`elements`."""
        group = group_size(dtype)
        aligned = DTYPE_BITS[dtype] >= 8 and start % numpy_dtype(dtype).itemsize == 0
        with self.scan(whole=aligned) as parts:

            def read(first: int, last: int) -> Iterator[np.ndarray[Any, Any]]:
                at = start + first // group * stored_nbytes(dtype, group)
                for part in parts(at, stored_nbytes(dtype, last - first)):
                    count = min(part.size * 8 // DTYPE_BITS[dtype], last - first)
                    first += count
                    yield unpack(part, dtype, count)

            yield read

    def elements(self, start: int, dtype: str, first: int, last: int, *, whole: bool = False) -> np.ndarray[Any, Any]:
        """Read some elements of a tensor.

        Parameters
        ----------
        start
            The byte at which the tensor begins.
        dtype
            Of the tensor; one under 8 bits is packed.
        first, last
            Which elements of the flattened tensor, ``last`` excluded.
        whole
            Whether they may be a view of a memory map; else they are a copy.
        """
        group = group_size(dtype)
        lead = first % group
        at = start + (first - lead) // group * stored_nbytes(dtype, group)
        part = (self.view if whole else self.read)(at, stored_nbytes(dtype, last - first + lead))
        return unpack(part, dtype, last - first + lead)[lead:]

    def _open(self) -> int:
        with self._lock:
            if self._descriptor is None:
                assert self._path is not None
                self._descriptor = self._opened(self._path)
                weakref.finalize(self, os.close, self._descriptor)
            return self._descriptor

    def _opened(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise self._unreadable(error) from error

    def _fill(self, descriptor: int, buffer: Bytes, start: int) -> None:
        done = 0
        while done < buffer.size:
            try:
                count = self._read_into(descriptor, buffer[done:], start + done)
            except OSError as error:
                raise self._unreadable(error) from error
            if not count:
                raise self._shorter()
            done += count

    def _read_into(self, descriptor: int, buffer: Bytes, start: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(descriptor, [buffer.data], start)
        with self._lock:  # Windows has one position for all who read
            os.lseek(descriptor, start, os.SEEK_SET)
            part = os.read(descriptor, min(buffer.size, 1 << 30))
        buffer[: len(part)] = np.frombuffer(part, np.uint8)
        return len(part)

    def _check(self, found: os.stat_result) -> None:
        if found.st_size < self.size:
            raise self._shorter()
        if _stamp(found) != self._stamp:
            raise LoadError(f"{self._given} is no longer what it was when it was loaded. Load it again.")

    def _whole(self, part: Bytes, nbytes: int) -> Bytes:
        if part.size < nbytes:
            raise self._shorter()
        return part

    def _shorter(self) -> LoadError:
        return LoadError(f"{self._given} is shorter than it was when it was loaded. Load it again.")

    def _unreadable(self, error: OSError) -> LoadError:
        return LoadError(
            f"{self._given} cannot be read: {error.strerror}. It was there when the model was loaded: is it still?"
        )


def _cut(whole: Bytes, uncut: bool) -> Iterator[Bytes]:
    return iter([whole] if uncut else [whole[at : at + _AT_ONCE] for at in range(0, whole.size, _AT_ONCE)])


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino
