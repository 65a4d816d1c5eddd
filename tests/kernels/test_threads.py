"""Threads: found, shared with others, gone after a fork."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import pytest

USE = """
import numpy as np, fused_kernels as fk
x = np.random.default_rng(0).standard_normal((600, 700))
right = fk.OPS['softmax'].reference(x)
def check():
    np.testing.assert_allclose(fk.softmax(x), right, rtol=1e-12)
check()
"""


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda code, **environment: fresh_process(USE + code, **environment)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="tbb has wheels for x86-64 only")
def test_tbb_is_used_where_it_is_installed(run: Callable[..., str]) -> None:
    assert run("import numba; print(numba.threading_layer())", NUMBA_NUM_THREADS="2") == "tbb"


def test_a_forked_child_works_and_is_serial(run: Callable[..., str]) -> None:
    code = """
import os
from fused_kernels.cpu import threads
child = os.fork()
if not child:
    check()
    os._exit(0 if threads.count() == 1 else 3)
assert os.waitpid(child, 0)[1] == 0
check()
print(threads.count())
"""
    assert run(code, NUMBA_NUM_THREADS="2") == "2"


def test_on_numbas_own_workqueue_python_threads_take_turns(run: Callable[..., str]) -> None:
    code = """
import threading, numba
workers = [threading.Thread(target=lambda: [check() for _ in range(20)]) for _ in range(4)]
[w.start() for w in workers]; [w.join() for w in workers]
print(numba.threading_layer())
"""
    assert run(code, NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2") == "workqueue"


def test_numbas_number_of_threads_is_obeyed(run: Callable[..., str]) -> None:
    assert run("import numba; numba.set_num_threads(1); print(fk.explain('softmax', x).form)") == "serial"


@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP")
def test_a_forked_child_starts_no_threads_even_where_results_overlap_or_stream(run: Callable[..., str]) -> None:
    code = """
import os
large = np.ones((forms.last_level_cache() // 4 + 1000,), np.float32)
def all_forms():
    check()
    for function in (fk.scale, fk.layer_norm, fk.softmax):
        y = np.ones((600, 700), np.float32)
        arguments = (2.0,) if function is fk.scale else ()
        np.testing.assert_allclose(function(y, *arguments, out=y), function(np.ones_like(y), *arguments), rtol=1e-6)
    assert (fk.scale(large, 2.0) == 2).all()
all_forms()
child = os.fork()
if not child:
    all_forms()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    code = "from fused_kernels.cpu import forms\n" + code
    assert run(code, NUMBA_THREADING_LAYER="omp", NUMBA_NUM_THREADS="2") == "0"
