"""Threads: they share the work, sleep when there is none, come back after a fork, and end with the interpreter."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fused_kernels as fk

USE = """
import numpy as np, fused_kernels as fk
from fused_kernels.cpu import threads
fk.set_num_threads(2)
x = np.random.default_rng(0).standard_normal((600, 700))
right = fk.OPS['softmax'].reference(x)
def check():
    np.testing.assert_allclose(fk.softmax(x), right, rtol=1e-12)
check()
"""


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda code, **environment: fresh_process(USE + code, **environment)


@pytest.fixture
def taken() -> Callable[..., int]:
    """A kernel that writes the number of its share to each place, and returns how many shares workers took."""
    from fused_kernels.cpu import threads
    from fused_kernels.cpu.compile import inline
    from fused_kernels.cpu.fork_join import parallel

    def body(share, shares, out):
        for i in range(share * out.size // shares, (share + 1) * out.size // shares):
            out[i] = share + 1

    launch = parallel("test.threads", inline(body))
    return lambda shares, out: launch(threads.state(shares), shares, out)


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_every_share_is_done_whoever_does_it(taken: Callable[..., int], shares: int) -> None:
    for size in (shares, 1000, 100_000):
        out = np.zeros(size)
        assert 0 <= taken(shares, out) < shares
        places = np.arange(shares + 1) * size // shares
        np.testing.assert_array_equal(out, np.repeat(np.arange(1, shares + 1), np.diff(places)))


def test_workers_take_their_part(taken: Callable[..., int]) -> None:
    out = np.zeros(1_000_000)
    deadline = time.monotonic() + 60
    while not taken(2, out):
        assert time.monotonic() < deadline, "in a minute of calls the worker never came in time"


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_what_a_share_raises_is_raised_when_all_are_done(shares: int) -> None:
    from fused_kernels.cpu import threads
    from fused_kernels.cpu.compile import inline
    from fused_kernels.cpu.fork_join import parallel

    def body(share, shares, size, out):
        if share == shares - 1:
            scratch = np.empty(size, np.float64)
            out[share] = scratch.size
        else:
            out[share] = 1

    launch, out = parallel("tests.failing", inline(body), key=None), np.zeros(shares)
    with pytest.raises(MemoryError):
        launch(threads.state(shares), shares, 1 << 50, out)
    np.testing.assert_array_equal(out, [*[1] * (shares - 1), 0])
    launch(threads.state(shares), shares, 7, out)
    assert out[-1] == 7


def test_calls_from_several_threads_do_not_mix(taken: Callable[..., int]) -> None:
    wrong = []

    def repeat(size: int) -> None:
        for _ in range(300):
            out = np.zeros(size)
            taken(2, out)
            if not out.all():
                wrong.append(size)

    callers = [threading.Thread(target=repeat, args=(1000 + caller,)) for caller in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks Linux for the threads' states")
def test_idle_workers_sleep(taken: Callable[..., int]) -> None:
    taken(3, np.zeros(1000))
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("fused_kernels-")]
    assert len(workers) >= 2
    deadline = time.monotonic() + 30
    while any(state(worker) != "S" for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def state(thread: threading.Thread) -> str:
    return Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(") ")[2][0]


def test_the_number_of_threads_is_obeyed(use_threads: Callable[[int], None]) -> None:
    x = np.zeros((600, 700))
    use_threads(1)
    assert fk.explain("softmax", x).form == "serial"
    use_threads(np.int64(5))
    assert fk.get_num_threads() == 5
    assert "on 5 threads" in fk.explain("softmax", x).notes[0]
    np.testing.assert_allclose(fk.softmax(x), 1 / 700)
    for wrong in (0, -1, 1.5, "two", 2**70):
        with pytest.raises(fk.KernelError, match="from 1 up"):
            fk.set_num_threads(wrong)


def test_a_medium_array_is_not_cut_into_slices_for_every_core(use_threads: Callable[[int], None]) -> None:
    use_threads(64)
    assert "on 12 threads" in fk.explain("scale", np.zeros(100_000), 2.0).notes[0]
    assert "on 64 threads" in fk.explain("scale", np.zeros(10_000_000), 2.0).notes[0]


def test_the_environment_sets_the_number_at_the_start(fresh_process: Callable[..., str]) -> None:
    code = "import fused_kernels as fk; print(fk.get_num_threads())"
    assert fresh_process(code, NUMBA_NUM_THREADS="3") == "3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_starts_threads_of_its_own(run: Callable[..., str]) -> None:
    code = """
import os, threading
child = os.fork()
if not child:
    check()
    own = sum(thread.name.startswith("fused_kernels-") for thread in threading.enumerate())
    os._exit(0 if own == 1 else 3)
assert os.waitpid(child, 0)[1] == 0
check()
print(fk.get_num_threads())
"""
    assert run(code) == "2"


def test_the_process_ends_while_workers_spin(run: Callable[..., str]) -> None:
    assert run("print('done')") == "done"
    assert run("[check() for _ in range(50)]; print('done')") == "done"


def test_numbas_own_threads_are_left_alone(run: Callable[..., str]) -> None:
    code = """
import numba
try:
    print(numba.threading_layer())
except ValueError:
    print("not started")
"""
    assert run(code) == "not started"
