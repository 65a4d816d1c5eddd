"""Windows of a file by memory map, one after the other, while a lease keeps others from cutting it short. For Linux.

A map saves the copy that a read makes, which takes longer than the statistics of what is copied. But whoever touches a
page that is gone is ended by a signal (SIGBUS). Linux has a remedy, F_SETLEASE of fcntl(2): while a reader holds a
lease, whoever wants to write to the file or to shorten it has to wait. At each window, every millisecond or so, it is
looked whether somebody waits; then the lease is given back and the map is not touched any more. There is no lease on a
file that somebody has open for writing, that belongs to another user, or that lies on a network.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import mmap
import os
import signal
import time
from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_DONTNEED, _POPULATE_READ = 4, 22
"""Of madvise(2). The second, of Linux 5.14, brings pages, or returns an error where to touch them would be a signal."""
_LARGE_PAGE = 2 << 20
_MOST_NANOSECONDS = 0.03
"""Of one core's time for each byte of a window, above which to copy is better: the file lies in small pages there."""
_LONGEST_PAUSE = 64


class Windows:
    """Maps a file where that is safe, for one thread.

    Parameters
    ----------
    descriptor
        Of the file, opened for this alone, and for reading only; who opened it closes it, after this.
    size
        Bytes that the file has.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._last = descriptor, (0, 0)
        self._pause = self._left = 0
        self._whole: Bytes | None = None
        with contextlib.suppress(OSError):
            # The usual signal that somebody waits would end the process; this one is ignored.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            if os.fstat(descriptor).st_size == size and _madvise():
                self._whole = np.frombuffer(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ), np.uint8)
                self._address = self._whole.ctypes.data

    def get(self, start: int, nbytes: int) -> Bytes | None:
        """Return some bytes, at least one, good until the next call; None when to copy them is better or safer."""
        self._forget()
        if self._whole is None or fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            self.close()
            return None
        if self._left:
            self._left -= 1
            return None
        if not (self._is_cached(start) and self._is_cached(start + nbytes - 1)):
            return None  # the disk is read better in the usual way, far ahead
        first = start - start % mmap.PAGESIZE
        began = time.thread_time_ns()
        if _madvise()(self._address + first, start + nbytes - first, _POPULATE_READ):
            self.close()
            return None
        self._last = first, start + nbytes
        dear = time.thread_time_ns() - began > _MOST_NANOSECONDS * max(nbytes, _LARGE_PAGE)
        self._pause = self._left = min(2 * self._pause + 1, _LONGEST_PAUSE) if dear else 0
        return self._whole[start : start + nbytes]

    def close(self) -> None:
        """Give the lease back; what was returned must not be touched any more."""
        self._forget()
        self._whole = None
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def _is_cached(self, place: int) -> bool:
        try:
            return os.preadv(self._descriptor, [bytearray(1)], place, os.RWF_NOWAIT) == 1
        except OSError:
            return False

    def _forget(self) -> None:
        """Let go of the last pages, which would count as memory of this process."""
        first, end = self._last
        if self._whole is not None and end > first:
            # All of the large pages at its ends: a part of one is not let go of, but cut into small ones.
            first, end = first - first % _LARGE_PAGE, min(end + -end % _LARGE_PAGE, self._whole.size)
            _madvise()(self._address + first, end - first, _DONTNEED)
        self._last = 0, 0


@functools.cache
def _madvise() -> Any:
    """Return the C library's function; with it other threads of Python run meanwhile, with `mmap.madvise` they wait."""
    function = getattr(ctypes.CDLL(None), "madvise", None)
    if function is not None:
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function
