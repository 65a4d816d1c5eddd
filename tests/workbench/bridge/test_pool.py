"""The pool lends memory that nobody else has, uses it again, stays within its limit, and unpins what it pinned."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.bridge.pool import POOLED_FROM, Array, Pool

PAGE = 4096
MIB = 1 << 20


@settings(deadline=None)
@given(
    st.integers(0, 40 * PAGE),
    st.lists(st.one_of(st.integers(1, 20 * PAGE), st.tuples(st.just("drop"), st.integers(0, 9)), st.just("clear"))),
)
def test_blocks_are_nobody_elses_and_within_the_limit(limit: int, steps: list[int | tuple[str, int] | str]) -> None:
    pool = Pool(limit)
    lent: list[tuple[int, Array]] = []
    refused = 0
    for number, step in enumerate(steps):
        if isinstance(step, int):
            block = pool.take(step)
            if block is None:
                refused += 1
                in_use = pool.usage.in_use
                assert in_use + step > limit or in_use + -(-step // PAGE) * PAGE > limit
            else:
                assert block.size == step
                block[:] = number % 251
                lent.append((number % 251, block))
            del block
        elif step == "clear":
            pool.clear()
            assert pool.usage.nbytes == pool.usage.in_use
        elif lent:
            del lent[step[1] % len(lent)]  # type: ignore[call-overload]
        usage = pool.usage
        assert usage.nbytes <= limit
        assert sum(block.size for _, block in lent) <= usage.in_use <= usage.nbytes
        assert usage.made - usage.freed == usage.blocks
        assert usage.refused == refused
        assert all((block == value).all() for value, block in lent)


def test_a_block_is_used_again_once_nothing_refers_to_it() -> None:
    pool = Pool(100 * PAGE)
    first = pool.take(10 * PAGE)
    assert first is not None
    address, tensor = first.ctypes.data, torch.from_numpy(first)[5:].view(-1)
    del first
    second = pool.take(10 * PAGE)
    assert second is not None
    assert second.ctypes.data != address
    del tensor
    third = pool.take(9 * PAGE)
    assert third is not None
    assert third.ctypes.data == address
    assert pool.usage.reused == 1
    assert pool.usage.in_use == pool.usage.nbytes == 20 * PAGE


def test_a_block_much_larger_than_asked_is_not_used() -> None:
    pool = Pool(100 * PAGE)
    pool.take(40 * PAGE)
    assert pool.take(10 * PAGE) is not None
    assert (pool.usage.made, pool.usage.reused) == (2, 0)


def test_the_least_recently_used_block_gives_way() -> None:
    pool = Pool(60 * PAGE)
    blocks = {size: pool.take(size * PAGE) for size in (10, 20, 30)}
    for size in (20, 30, 10):  # the order in which they become free
        del blocks[size]
    fourth = pool.take(5 * PAGE)
    assert fourth is not None
    assert pool.usage.freed == 1
    kept = [pool.take(30 * PAGE), pool.take(10 * PAGE)]
    assert pool.usage.reused == 2
    assert pool.take(20 * PAGE) is None
    assert len(kept) == 2


def test_what_does_not_fit_goes_to_ordinary_memory() -> None:
    bridge = wb.TorchBridge(pool_nbytes=3 * MIB)
    large = [np.full(2 * MIB, value, np.uint8).tobytes() for value in (1, 2)]
    tensors = [bridge.tensor(raw) for raw in large]
    assert [int(tensor.sum()) for tensor in tensors] == [2 * MIB, 4 * MIB]
    usage = bridge.pool
    assert (usage.blocks, usage.in_use, usage.refused) == (1, 2 * MIB, 1)
    tensors.clear()
    assert bridge.pool.in_use == 0
    bridge.empty_pool()
    assert bridge.pool.nbytes == 0
    assert bridge.pool.freed == 1


@pytest.mark.parametrize("nbytes", [POOLED_FROM - 1, POOLED_FROM])
def test_small_copies_leave_the_pool_alone(bridge: wb.TorchBridge, nbytes: int) -> None:
    bridge.tensor(bytes(nbytes))
    assert bridge.pool.made == (nbytes == POOLED_FROM)


class Pins:
    """What is pinned at the moment, as the driver would know it."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}

    def pin(self, address: int, nbytes: int) -> Unpin:
        assert address % PAGE == 0
        self.held[address] = nbytes
        return Unpin(self, address)


class Unpin:
    def __init__(self, pins: Pins, address: int) -> None:
        self.pins, self.address = pins, address

    def __call__(self) -> None:
        del self.pins.held[self.address]


def test_pinned_blocks_are_for_those_who_need_them_and_are_unpinned_when_they_go() -> None:
    pins, pool = Pins(), Pool(64 * PAGE)
    pinned, plain = pool.take(10 * PAGE, pins.pin), pool.take(10 * PAGE)
    assert pinned is not None
    assert plain is not None
    assert pins.held == {pinned.ctypes.data: 10 * PAGE}
    assert pool.usage.pinned == 10 * PAGE
    address = pinned.ctypes.data
    del pinned, plain

    again = pool.take(10 * PAGE)
    assert again is not None
    assert again.ctypes.data != address
    del again
    again = pool.take(10 * PAGE, pins.pin)
    assert again is not None
    assert again.ctypes.data == address
    assert len(pins.held) == 1

    view = memoryview(again)
    del again
    pool.clear()
    assert len(pins.held) == 1, "somebody still has it"
    del view
    pool.clear()
    assert not pins.held


def test_a_block_that_outlives_its_pool_is_unpinned_with_it() -> None:
    pins, pool = Pins(), Pool(64 * PAGE)
    block = pool.take(PAGE, pins.pin)
    del pool
    assert len(pins.held) == 1
    del block
    assert not pins.held


def test_memory_that_is_not_pinned_is_not_counted() -> None:
    def refuse(address: int, nbytes: int) -> Unpin:
        raise OSError("no more memory may be locked")

    pool = Pool(64 * PAGE)
    with pytest.raises(OSError, match="locked"):
        pool.take(PAGE, refuse)
    assert pool.usage.blocks == pool.usage.made == 0


def test_threads_never_share_a_block(bridge: wb.TorchBridge) -> None:
    start = threading.Barrier(6)

    def work(value: int) -> int:
        start.wait()
        raw = bytes([value]) * MIB
        wrong = 0
        for _ in range(60):
            tensor = bridge.tensor(raw, (1024, 1024))
            wrong += not bool((tensor == value).all())
        return wrong

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(work, range(1, 7))) == 0
    assert bridge.pool.in_use == 0
    assert bridge.pool.reused + bridge.pool.made == 360
    assert len(bridge.share_report()) == 360
    assert {transfer.number for transfer in bridge.share_report()} == set(range(1, 361))


def test_a_child_forked_while_another_thread_has_the_lock_can_take_a_block() -> None:
    code = """
import os, threading
from workbench.bridge.pool import Pool
pool = Pool(1 << 20)
taken, go = threading.Event(), threading.Event()
def hold():
    with pool._lock:
        taken.set()
        go.wait()
thread = threading.Thread(target=hold)
thread.start()
taken.wait()
child = os.fork()
if child == 0:
    os._exit(0 if pool.take(4096) is not None else 1)
go.set()
thread.join()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
