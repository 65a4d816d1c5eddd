"""Memory for results: the larger ones from blocks that are used again, since new pages cost more than the kernel."""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import os
import sys
import threading
from typing import Any

import numpy as np

POOLED_FROM = 4 << 20
"""Bytes from which a result comes from the pool."""
ALIGNED_FROM = 128 << 10
"""Bytes from which a result starts on a cache line: worth a tenth of the time there, less than it costs below."""
CACHE_LINE = 64
_HUGE_PAGE = 2 << 20
_empty, _ndarray, _BYTE = np.empty, np.ndarray, np.dtype(np.uint8)
# A third of the time that asking the array for its address takes.
_address, _first_byte = ctypes.addressof, ctypes.c_char.from_buffer


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an uninitialised C-contiguous array of ``shape`` and ``dtype``, from the pool if it is large."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < ALIGNED_FROM:
        return _empty(shape, dtype)
    if nbytes < POOLED_FROM:
        return aligned(shape, dtype, nbytes)
    try:
        block = POOL.take(nbytes)
    except OSError:  # no memory left: NumPy tries once more without what the pool keeps, and has the right exception
        POOL.clear()
        return _empty(shape, dtype)
    return np.frombuffer(block, dtype, count=nbytes // dtype.itemsize).reshape(shape)


def empty_like(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what `empty` returns for the shape and dtype of ``x``, a C-contiguous array."""
    return _empty(x.shape, x.dtype) if x.nbytes < ALIGNED_FROM else empty(x.shape, x.dtype)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any], nbytes: int) -> np.ndarray[Any, Any]:
    """Return an uninitialised C-contiguous array of ``nbytes`` that begins on a cache line."""
    memory: Any = _empty(nbytes + CACHE_LINE, _BYTE)
    return _ndarray(shape, dtype, memory, -_address(_first_byte(memory)) % CACHE_LINE)


class Pool:
    """Blocks of huge pages, handed out again once nothing refers to them.

    An array, a view of it, a torch tensor made from it: each holds its block through the buffer protocol, so the
    block's reference count tells whether it is free. A block is never taken back from a holder.

    Parameters
    ----------
    limit
        Bytes of free blocks that are kept at the most; beyond it they go back to the system, oldest first.
    """

    def __init__(self, limit: int = 1 << 30) -> None:
        self.limit = limit
        self._blocks: list[mmap.mmap] = []
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> mmap.mmap:
        """Return a block of at least ``nbytes``, at most a quarter more, whose content is arbitrary."""
        size = -(-nbytes // _HUGE_PAGE) * _HUGE_PAGE
        with self._lock:
            # By position: a loop variable would itself be a reference to the block.
            for position in range(len(self._blocks)):
                if size <= len(self._blocks[position]) <= size + size // 4 and _is_free(self._blocks, position):
                    # The most recently used block comes last, so that the oldest is dropped first.
                    block = self._blocks.pop(position)
                    self._blocks.append(block)
                    return block
            self._trim(size)
            block = _map(size)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                with contextlib.suppress(OSError):  # a system built without huge pages
                    block.madvise(mmap.MADV_HUGEPAGE)
            self._blocks.append(block)
            return block

    def clear(self) -> None:
        """Give all free blocks back to the system."""
        with self._lock:
            self._drop({position for position in range(len(self._blocks)) if _is_free(self._blocks, position)})

    @property
    def free_bytes(self) -> int:
        """Bytes of the blocks that nothing refers to."""
        with self._lock:
            return sum(len(self._blocks[i]) for i in range(len(self._blocks)) if _is_free(self._blocks, i))

    def renew_lock(self) -> None:
        """Forget who holds the lock: for a child that was forked while another thread did."""
        self._lock = threading.Lock()

    def _trim(self, coming: int) -> None:
        free = [position for position in range(len(self._blocks)) if _is_free(self._blocks, position)]
        excess = sum(len(self._blocks[position]) for position in free) + coming - self.limit
        dropped = set()
        for position in free:
            if excess <= 0:
                break
            excess -= len(self._blocks[position])
            dropped.add(position)
        self._drop(dropped)

    def _drop(self, positions: set[int]) -> None:
        self._blocks = [block for position, block in enumerate(self._blocks) if position not in positions]


def _map(nbytes: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, nbytes)
    # Private, since Python's default is shared: a forked child and its parent would write into one another's results.
    return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _references(blocks: list[mmap.mmap], position: int) -> int:
    return sys.getrefcount(blocks[position])


# What the count is for an object that only the list holds differs between Python versions, so it is measured.
_FREE = _references([mmap.mmap(-1, 1)], 0)


def _is_free(blocks: list[mmap.mmap], position: int) -> bool:
    return _references(blocks, position) <= _FREE


POOL = Pool()
if hasattr(os, "register_at_fork"):
    # Another thread may hold the lock while this one forks, and it does not exist in the child.
    os.register_at_fork(after_in_child=POOL.renew_lock)
