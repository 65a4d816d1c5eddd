"""The pool: a block is used again when nothing refers to it, and not before."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.memory import POOLED_FROM, Pool, empty

F4 = np.dtype("f4")


@pytest.fixture
def pool() -> Pool:
    return Pool(limit=32 << 20)


def test_a_large_result_reuses_memory_that_is_free() -> None:
    x = np.ones((1500, 1000), np.float32)
    first = fk.scale(x, 2)
    address = first.ctypes.data
    second = fk.scale(x, 3)
    assert second.ctypes.data != address
    assert (first == 2).all()
    del first
    assert fk.scale(x, 4).ctypes.data == address


def from_torch(array: np.ndarray) -> object:
    return pytest.importorskip("torch").from_numpy(array)


@pytest.mark.parametrize(
    "hold",
    [lambda array: array[::2], lambda array: array[5:6], memoryview, from_torch],
    ids=["view", "element view", "memoryview", "torch"],
)
def test_whatever_refers_to_a_block_keeps_it(pool: Pool, hold: Callable[[np.ndarray], Any]) -> None:
    array = np.frombuffer(pool.take(POOLED_FROM), F4)
    array[:] = 1
    held = hold(array)
    del array
    assert pool.free_bytes == 0
    other = np.frombuffer(pool.take(POOLED_FROM), F4)
    other[:] = 2
    assert float(held[0]) == 1
    del held
    assert pool.free_bytes >= POOLED_FROM


def test_free_blocks_beyond_the_limit_go_back_oldest_first(pool: Pool) -> None:
    for size in (8, 16, 24):
        pool.take(size << 20)
    assert pool.free_bytes <= pool.limit
    pool.clear()
    assert pool.free_bytes == 0


def test_a_block_much_larger_than_asked_is_left_for_others(pool: Pool) -> None:
    pool.take(20 << 20)
    assert len(pool.take(5 << 20)) < 10 << 20


def test_small_and_large_arrays_have_the_shape_asked_for() -> None:
    for shape in ((), (0, 5), (3, 4), (1100, 1000)):
        array = empty(shape, F4)
        assert array.shape == shape
        assert array.dtype == F4
        assert array.flags.carray


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_and_its_parent_do_not_write_into_each_others_results(fresh_process: Callable[..., str]) -> None:
    code = """
import os, numpy as np, fused_kernels as fk
x = np.ones((1500, 1000), np.float32)
kept, freed = fk.scale(x, 2), fk.scale(x, 3)
del freed
child = os.fork()
if not child:
    kept[:] = 0
    os._exit(0 if (fk.scale(x, 4) == 4).all() else 3)
own = fk.scale(x, 5)
assert os.waitpid(child, 0)[1] == 0
assert (kept == 2).all() and (own == 5).all()
"""
    fresh_process(code)
