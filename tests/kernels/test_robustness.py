"""It stands: many threads at once, forks, the threads of other libraries, workers that do not come, Ctrl-C.

Each in a process of its own, which is ended after two minutes: a stall is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

USE = """
import os, signal, sys, threading, time
import numpy as np, fused_kernels as fk
fk.set_num_threads(2)
rng = np.random.default_rng(0)
x, weight = rng.standard_normal((600, 700)), rng.standard_normal((700, 300))
calls = {
    "softmax": lambda: fk.softmax(x),
    "layer_norm": lambda: fk.layer_norm(x, out=np.empty_like(x)),
    "relu": lambda: fk.relu(x, out=np.empty_like(x)),
    "scale": lambda: fk.scale(np.broadcast_to(1.0, (1200, 1000)), 2.0),
    "linear": lambda: fk.linear(x, weight, activation="relu"),
}
normal = x - x.mean(1, keepdims=True)
right = {
    "softmax": np.exp(x) / np.exp(x).sum(1, keepdims=True),
    "layer_norm": normal / np.sqrt((normal**2).mean(1, keepdims=True) + 1e-5),
    "relu": np.maximum(x, 0),
    "scale": np.full((1200, 1000), 2.0),
    "linear": np.maximum(x @ weight, 0),
}
def check(*names):
    for name in names or calls:
        np.testing.assert_allclose(calls[name](), right[name], rtol=1e-9, atol=1e-11)
def in_threads(count, function):
    failures, together = [], threading.Barrier(count)
    def run(number):
        together.wait()
        try:
            function(number)
        except BaseException as error:
            failures.append(error)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures, failures[0]
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.fixture
def run(fresh_process: Callable[..., str]) -> Callable[..., str]:
    return lambda code, **environment: fresh_process(USE + textwrap.dedent(code), **environment)


@pytest.mark.parametrize("threads", [2, 20])
def test_the_first_call_may_come_from_many_threads_at_once(run: Callable[..., str], threads: int) -> None:
    code = f"""
    sys.setswitchinterval(1e-6)
    in_threads({threads}, lambda number: check(list(calls)[number % len(calls)]))
    """
    run(code)


@pytest.mark.parametrize("threads", [2, 20])
def test_every_operation_in_many_threads_gives_what_it_gives_alone(run: Callable[..., str], threads: int) -> None:
    code = f"""
    import dataclasses
    def plain(result):
        return dataclasses.astuple(result) if dataclasses.is_dataclass(result) else result
    inputs = {{name: op.sample(op.shapes[0], np.dtype("f4"), rng) for name, op in fk.OPS.items()}}
    alone = {{name: plain(fk.OPS[name].function(**inputs[name])) for name in inputs}}
    def work(number):
        for name in np.random.default_rng(number).permutation(list(inputs)):
            for _ in range(2):
                np.testing.assert_equal(plain(fk.OPS[name].function(**inputs[name])), alone[name], name)
    in_threads({threads}, work)
    """
    run(code)


@needs_fork
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_after_use(run: Callable[..., str], method: str, tmp_path: Path) -> None:
    # A spawned child imports the main module, so that has to be a file.
    code = f"""
    import multiprocessing
    def child(number):
        check()
        in_threads(3, lambda _: check())
        return number
    if __name__ == "__main__":
        check()
        with multiprocessing.get_context("{method}").Pool(3) as pool:
            assert pool.map(child, range(6)) == list(range(6))
        check()
    """
    script = tmp_path / "script.py"
    script.write_text(USE + textwrap.dedent(code))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_after_use(run: Callable[..., str], backend: str) -> None:
    pytest.importorskip("joblib")
    code = f"""
    from joblib import Parallel, delayed
    check()
    results = Parallel(n_jobs=3, backend="{backend}")(delayed(fk.softmax)(x) for _ in range(6))
    np.testing.assert_allclose(results, [right["softmax"]] * 6)
    check()
    """
    run(code)


@needs_fork
def test_a_fork_while_another_thread_holds_the_locks(run: Callable[..., str]) -> None:
    """Whatever a thread held when the process forked, nobody gives it back in the child."""
    code = """
    from fused_kernels import memory
    from fused_kernels.cpu import threads
    check("scale")
    held, over = threading.Event(), threading.Event()
    def hold():
        with memory.POOL._lock, threads._starting:
            held.set()
            over.wait()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if not child:
        signal.alarm(20)
        check("scale")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    holder.join()
    assert status == 0, "the child waited for ever"
    """
    run(code)


@needs_fork
def test_a_fork_in_the_middle_of_other_threads_calls(run: Callable[..., str]) -> None:
    code = """
    check("scale")
    sys.setswitchinterval(1e-5)
    over = threading.Event()
    def work():
        while not over.is_set():
            check("scale")
    workers = [threading.Thread(target=work) for _ in range(3)]
    [worker.start() for worker in workers]
    for _ in range(20):
        child = os.fork()
        if not child:
            signal.alarm(20)
            check("scale")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the child waited for ever"
    over.set()
    [worker.join() for worker in workers]
    """
    run(code)


@needs_fork
def test_a_fork_while_another_thread_compiles(run: Callable[..., str]) -> None:
    """The child would wait for ever for the compiler's lock."""
    code = """
    fk.elementwise(name="first")(lambda x: x)(x)  # all is imported: a fork during an import is Python's affair
    over = threading.Event()
    def compile():
        number = 0
        while not over.is_set():
            number += 1
            fk.elementwise(name="mine")(eval(f"lambda x: x * {number}"))(x)
    compiler = threading.Thread(target=compile)
    compiler.start()
    for _ in range(4):
        time.sleep(0.1)
        child = os.fork()
        if not child:
            signal.alarm(30)
            np.testing.assert_array_equal(fk.elementwise(name="other")(lambda x: x + 1)(x), x + 1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the child waited for ever"
    over.set()
    compiler.join()
    """
    run(code)


def test_taking_turns_with_the_threads_of_blas_and_torch(run: Callable[..., str]) -> None:
    pytest.importorskip("torch")
    code = """
    import torch
    tensor = torch.from_numpy(x)
    for turn in range(30):
        product = x @ weight
        normalised = torch.softmax(tensor, -1)
        check(list(calls)[turn % len(calls)])
    np.testing.assert_allclose(product, x @ weight)
    np.testing.assert_allclose(normalised.numpy(), right["softmax"])
    """
    run(code)


def test_a_call_never_waits_for_workers_that_do_not_come(run: Callable[..., str]) -> None:
    """Which is what a busy machine looks like: the caller does their shares."""
    code = """
    from fused_kernels.cpu import threads
    threads.threading.Thread.start, start = lambda thread: None, threading.Thread.start
    fk.set_num_threads(7)
    check()
    """
    run(code)


def test_where_no_thread_can_be_started_the_caller_does_it_all(run: Callable[..., str]) -> None:
    code = """
    def refuse(thread):
        raise RuntimeError("can't start new thread")
    threading.Thread.start = refuse
    check()
    """
    run(code)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_control_c_in_a_long_kernel_arrives_when_it_returns(run: Callable[..., str]) -> None:
    code = """
    a, b = rng.standard_normal((2, 1500, 1500))
    expected, out = fk.linear(a, b), np.empty((1500, 1500))
    def press():
        while np.isnan(out[0, 0]):  # not yet in the kernel
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
    for _ in range(3):
        out[...] = np.nan
        finger = threading.Thread(target=press)
        finger.start()
        try:
            fk.linear(a, b, out=out)
            time.sleep(60)
            raise AssertionError("no KeyboardInterrupt in a minute")
        except KeyboardInterrupt:
            finger.join()
        np.testing.assert_array_equal(out, expected)
        check()
    """
    run(code)
