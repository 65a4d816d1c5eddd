"""Threads for parallel kernels: TBB where it is installed, none after a fork, nothing touched at import."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import threading

import numba

_forked = False
_one_at_a_time = threading.Lock()


def count() -> int:
    """Return the number of threads that a kernel started now may use.

    ``numba.set_num_threads`` and ``NUMBA_NUM_THREADS`` set it. In a child forked after the first parallel kernel it is
    1, because a thread pool does not survive a fork.
    """
    _prepare()
    return 1 if _forked else numba.get_num_threads()


@functools.cache
def needs_exclusive() -> bool:
    """Whether a parallel kernel has to hold `exclusive`; asking starts the threading layer.

    Numba's own workqueue aborts the process on two calls at once.
    """
    _prepare()
    numba.get_num_threads()
    try:
        return bool(numba.threading_layer() == "workqueue")
    except ValueError:
        return True  # not known yet, so the careful answer


def exclusive() -> contextlib.AbstractContextManager[bool]:
    """Return the lock that lets one parallel kernel run at a time."""
    return _one_at_a_time


@functools.cache
def _prepare() -> None:
    """Load TBB where Numba does not look for it, and note forks; once, before the first parallel kernel.

    The wheel puts the library beside the interpreter's own, outside the loader's path. GNU OpenMP, the next choice,
    spins against OpenBLAS's threads and kills a forked child.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("tbb") or ():
            if file.name in ("libtbb.so.12", "tbb12.dll", "libtbb.12.dylib"):
                with contextlib.suppress(OSError):
                    ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
                break
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_note_fork)


def _note_fork() -> None:
    global _forked
    _forked = True
