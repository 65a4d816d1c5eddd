"""Memory that copies go to: blocks that are used again, within a limit, and pinned where a GPU reads or writes them."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.text import format_bytes

Array = np.ndarray[Any, Any]
Pin = Callable[[int, int], Callable[[], None]]
"""Locks so many bytes from an address on into physical memory, and returns what undoes it; OSError if it cannot."""

POOLED_FROM = 1 << 20
"""Bytes from which a copy goes to the pool: below it, the allocator's own memory is as quick."""
_PAGE = 4 << 10
_HUGE_PAGE = 2 << 20


@dataclass(frozen=True)
class PoolUsage:
    """What a bridge's pool holds, and how often that was of use.

    Parameters
    ----------
    limit
        Bytes that it may hold at the most.
    blocks, nbytes
        How many it holds, and their bytes.
    in_use
        Bytes of the blocks that a tensor, an array or a copy under way refers to; the others are free.
    pinned
        Bytes of the blocks that are pinned.
    made, reused, freed
        How many blocks were newly made, were handed out again, and went back to the system.
    refused
        How often a block was asked for that the limit did not allow: the copy went to ordinary memory.
    """

    limit: int
    blocks: int
    nbytes: int
    in_use: int
    pinned: int
    made: int
    reused: int
    freed: int
    refused: int

    @property
    def facts(self) -> list[tuple[str, str]]:
        """All of it as names with values in words."""
        return [
            ("limit", format_bytes(self.limit)),
            ("blocks", f"{self.blocks}, {format_bytes(self.nbytes)}"),
            ("in use", format_bytes(self.in_use)),
            ("pinned", format_bytes(self.pinned)),
            ("made", str(self.made)),
            ("reused", str(self.reused)),
            ("freed", str(self.freed)),
            ("refused", str(self.refused)),
        ]

    def __str__(self) -> str:
        return "pool: " + "; ".join(f"{name} {value}" for name, value in self.facts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from workbench.views import bridge_card

        return bridge_card.pool_card(self)


class Pool:
    """Blocks within a limit, of which the least recently used free ones give way to new ones.

    A block is lent as an array. Whatever is made of it (a view, a tensor, a memoryview) refers to that array, so the
    block is free when the array is gone, and never before. A limit on all blocks, not on the free ones alone as in the
    kernels' pool of results, because pinned memory is taken from the whole machine.

    Parameters
    ----------
    limit
        Bytes of all blocks at the most; 0 for no pool.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._free: list[_Block] = []  # the least recently used first
        self._lent: dict[int, _Block] = {}
        # A lent array may end at any moment and in any thread, also in one that holds the lock: that only appends.
        self._ended: deque[int] = deque()
        self._made = self._reused = self._freed = self._refused = 0
        _POOLS.add(self)

    def take(self, nbytes: int, pin: Pin | None = None) -> Array | None:
        """Lend ``nbytes`` of arbitrary content, or return None where the limit does not allow it.

        Parameters
        ----------
        nbytes
            At least 1. The block behind it is at most a quarter larger than asked, and a page.
        pin
            Pins a new block; a pinned one is lent then. Without it an unpinned one, where there is one.

        Raises
        ------
        OSError
            If the system does not pin the memory.
        """
        unit = _PAGE if nbytes < _HUGE_PAGE else _HUGE_PAGE
        size = -(-nbytes // unit) * unit
        with self._lock:
            self._collect()
            fitting = [
                block
                for block in self._free
                if size <= block.nbytes <= size + size // 4 and (block.pinned or pin is None)
            ]
            if fitting:
                # the one used last is the likeliest to be in a cache, and a pinned one is for those who need it
                block = max(enumerate(fitting), key=lambda entry: (not entry[1].pinned, entry[0]))[1]
                self._free.remove(block)
                self._reused += 1
            elif not self._make_room(size):
                self._refused += 1
                return None
            else:
                block = _Block(size, pin)
                self._made += 1
            # not a view of the block's array, whose base would be that array: what is derived must refer to this one
            lent = np.frombuffer(memoryview(block.memory), np.uint8, nbytes)  # type: ignore[arg-type]  # is a buffer
            self._lent[id(block)] = block
            weakref.finalize(lent, self._ended.append, id(block)).atexit = False
            return lent

    def clear(self) -> None:
        """Give all free blocks back to the system."""
        with self._lock:
            self._collect()
            self._freed += len(self._free)
            self._free.clear()

    @property
    def usage(self) -> PoolUsage:
        """What it holds at this moment."""
        with self._lock:
            self._collect()
            lent, blocks = list(self._lent.values()), [*self._lent.values(), *self._free]
            return PoolUsage(
                limit=self.limit,
                blocks=len(blocks),
                nbytes=sum(block.nbytes for block in blocks),
                in_use=sum(block.nbytes for block in lent),
                pinned=sum(block.nbytes for block in blocks if block.pinned),
                made=self._made,
                reused=self._reused,
                freed=self._freed,
                refused=self._refused,
            )

    def renew_lock(self) -> None:
        """Forget who holds the lock: for a child that was forked while another thread did."""
        self._lock = threading.Lock()

    def _collect(self) -> None:
        while self._ended:
            self._free.append(self._lent.pop(self._ended.popleft()))

    def _make_room(self, size: int) -> bool:
        held = sum(block.nbytes for block in self._lent.values())
        if held + size > self.limit:
            return False
        excess = held + sum(block.nbytes for block in self._free) + size - self.limit
        while excess > 0:
            excess -= self._free.pop(0).nbytes
            self._freed += 1
        return True


class _Block:
    """Memory that begins on a page, unpinned again before it goes back to the system."""

    def __init__(self, nbytes: int, pin: Pin | None) -> None:
        whole = np.empty(nbytes + _PAGE, np.uint8)
        start = -whole.ctypes.data % _PAGE
        self.nbytes, self.pinned = nbytes, pin is not None
        self.memory = whole[start : start + nbytes]
        if pin is not None:
            # Tied to the array that owns the memory, so that it happens also where a tensor outlives the pool.
            weakref.finalize(whole, pin(self.memory.ctypes.data, nbytes)).atexit = False


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


def _renew_locks() -> None:
    for pool in list(_POOLS):
        pool.renew_lock()


if hasattr(os, "register_at_fork"):
    # Another thread may hold a lock while this one forks, and it does not exist in the child.
    os.register_at_fork(after_in_child=_renew_locks)
