"""One contract for all that runs messages: on the CPU, in a persistent kernel, and by launches.

The GPU is emulated; its kernel, its driver's calls and the runtime above them are what runs on a real one.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import workbench as wb
from workbench.errors import (
    ClosedError,
    DeadLetterError,
    InputError,
    KernelDiedError,
    QueueFullError,
    ReplyTimeoutError,
)

from ...kernels.cuda.emulated_driver import MAJOR, MAPS, MODE, TIMEOUT, Machine  # noqa: TID252
from .handlers import THREADS, run
from .stress import Scaling, Storm
from .test_ring_states import Life

BODIES = ("cpu", "persistent", "launches")
Make = Callable[[], wb.Runtime]
X = np.arange(6, dtype=np.float32)


@pytest.fixture(params=BODIES)
def make(request: pytest.FixtureRequest) -> Make:
    """Make a runtime whose operations run in one of these ways."""
    if request.param == "cpu":
        return lambda: wb.Runtime("cpu")
    machine: Machine = request.getfixturevalue("gpu")
    machine.set(TIMEOUT, request.param == "launches")
    return lambda: wb.Runtime("cuda")


@pytest.mark.parametrize("thread", THREADS)
def test_calls_sends_and_who_else_asks(make: Make, thread: Any) -> None:
    with make() as runtime:
        kernel = runtime.launch("scale", thread=thread)
        for factor in range(20):
            assert np.array_equal(kernel.call((X, factor)), X * factor)
        ids = [kernel.send((X, factor)) for factor in range(20)]
        for id, factor in zip(ids, range(20), strict=True):
            reply = kernel.receive(timeout=60)
            assert reply.id == id
            assert np.array_equal(reply.value, X * factor)
        wrong: list[Any] = []

        def asks(place: int) -> None:
            factors = range(place, place + 20)
            wrong.extend(factor for factor in factors if not np.array_equal(kernel.call((X, factor)), X * factor))

        threads = [threading.Thread(target=asks, args=(100 * place,)) for place in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert not wrong
        assert kernel.metrics.answered == kernel.metrics.messages == 120
        assert runtime.status.kernels[0].settled == 120


def test_errors_deaths_and_dead_letters(make: Make) -> None:
    with make() as runtime:
        kernel = runtime.launch("add", restarts=1, capacity=2)
        with pytest.raises((InputError, ValueError)):
            kernel.call((X, X[:5]))
        kernel.deactivate()
        with pytest.raises(ReplyTimeoutError):
            kernel.call((X, X), timeout=0.001)
        kernel.send((X, X), id="waits")
        kernel.send((X, X), reply=False)
        with pytest.raises(QueueFullError):
            kernel.send((X, X), timeout=0)
        kernel.activate()
        assert np.array_equal(kernel.receive(timeout=60).value, X + X)
        kernel.send((X, X[:5]), reply=False, id="unwanted")
        assert np.array_equal(kernel.call((X, X)), X + X)
        assert [letter.id for letter in runtime.dead_letters] == ["unwanted"]
        with pytest.raises(KernelDiedError, match="restart 1 of at most 1"):
            kernel.call((_Deadly(), X))
        assert np.array_equal(kernel.call((X, X)), X + X), "with a new body"
        with pytest.raises(KernelDiedError, match="is terminated"):
            kernel.call((_Deadly(), X))
        metrics = kernel.metrics
        assert (metrics.timed_out, metrics.refused, metrics.dead, metrics.failed) == (1, 1, 1, 3)
        assert metrics.messages == 10
        assert runtime.launch("add").call((X, X)).shape == X.shape


def test_lists_are_arrays_to_the_built_in_kernels() -> None:
    with wb.Runtime(backend="cpu") as runtime:
        assert runtime.launch("add").call(([1, 2], [3, 4])).tolist() == [4, 6]
        assert runtime.launch("dot").call(([1, 2], [3, 4])) == 11
        for wrong in (X, (X,), (X, X, X), {"x": X}):
            with pytest.raises(InputError, match="add takes two arrays, as a tuple"):
                runtime["add"].call(wrong)


class _Deadly:
    """What kills who looks at it."""

    __array_interface__ = property(lambda self: (_ for _ in ()).throw(SystemExit("deadly")))
    shape = property(lambda self: (_ for _ in ()).throw(SystemExit("deadly")))

    def __add__(self, other: Any) -> Any:
        raise SystemExit("deadly")


def test_routes_between_them_and_to_a_handler(make: Make) -> None:
    with make() as runtime:
        runtime.launch("softmax", route="total")
        runtime.launch("total", handler=lambda x: (x, x), route="dot")
        runtime.launch("dot")
        x = np.random.default_rng(0).standard_normal((3, 7))
        powers = np.exp(x - x.max(-1, keepdims=True))
        right = np.square(powers / powers.sum(-1, keepdims=True)).sum()
        assert np.isclose(runtime["softmax"].call(x), right)
        runtime["dot"].terminate()
        with pytest.raises(DeadLetterError, match="no kernel 'dot'"):
            runtime["softmax"].call(x)


def test_awaited(make: Make) -> None:
    async def all_at_once() -> list[Any]:
        async with make() as runtime:
            kernel = runtime.launch("scale")
            answers = await asyncio.gather(*(kernel.acall((X, factor)) for factor in range(50)))
            await kernel.adeactivate()
            with pytest.raises(ReplyTimeoutError):
                await kernel.acall((X, 2.0), timeout=0.001)
            kernel.activate()
            id = await kernel.asend((X, 3.0))
            assert (await kernel.areceive(timeout=60)).id == id
        with pytest.raises(ClosedError):
            await kernel.acall((X, 1.0))
        return answers

    for factor, answer in enumerate(asyncio.run(all_at_once())):
        assert np.array_equal(answer, X * factor)


@pytest.mark.parametrize("messages", [600, pytest.param(30_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("way", "thread"), [("launches", "own"), ("persistent", "auto"), ("persistent", "any")])
def test_a_storm_on_a_gpu(gpu: Machine, way: str, messages: int, thread: Any) -> None:
    """As on the CPU: 20 senders, deactivations, payloads that are refused or kill the kernel, time-outs."""
    gpu.set(TIMEOUT, way == "launches")
    storm = Storm(messages, 20, messages, Scaling("cuda"), thread=thread)
    storm.run(limit=300)
    storm.check()
    book = storm.book
    assert min(book["answered"], book["failed"], book["sent"], book["posted"]) > 0
    assert storm.kernel.status.restarts or messages < 10_000


class LifeOnCard(Life):
    """The law of the states, of a kernel that keeps its rows on the card."""

    backend = "cuda"
    options: Mapping[str, Any] = {"handler": "similarity_matrix"}

    def payload(self, number: int) -> Any:
        return np.ones(4, np.float32)

    def runs_told(self, answer: Any) -> int:
        return int(answer.shape[1])


def test_the_law_of_the_states_on_a_gpu(gpu: Machine) -> None:
    run_state_machine_as_test(LifeOnCard, settings=settings(max_examples=8, stateful_step_count=20, deadline=None))


@pytest.mark.parametrize("state", ["launched", "active", "deactivated", "full"])
def test_shutdown_in_any_state(make: Make, state: str) -> None:
    runtime = make()
    kernel = runtime.launch("scale", auto_activate=state != "launched", capacity=4, reply_capacity=2)
    if state in ("deactivated", "active"):
        kernel.call((X, 1.0))
    if state == "deactivated":
        kernel.deactivate()
    for number in range(6 if state == "full" else 2):
        kernel.send((X, number), timeout=60)
    runtime.shutdown(timeout=0.1)
    assert kernel.state == "terminated"
    metrics = kernel.metrics
    assert metrics.waiting == metrics.running == 0
    assert metrics.messages == (6 if state == "full" else 2) + (state in ("deactivated", "active"))


def test_what_a_runtime_on_a_gpu_says(gpu: Machine) -> None:
    with wb.Runtime("cuda") as runtime:
        kernel = runtime.launch("softmax")
        assert kernel.status.device == "cuda:0"
        assert "runs     the operation softmax, in a persistent kernel on cuda:0" in repr(kernel)
        assert "in a persistent kernel on a card of the tests" in repr(runtime)
        assert runtime.launch("norm", handler="layer_norm").status.device == "cpu", "which the kernel does not have"
    gpu.set(TIMEOUT, 1)
    with wb.Runtime("cuda") as runtime:
        assert "by a launch for each batch of messages" in runtime.why
        assert "since the driver ends long kernels here" in runtime.why
    for attribute, value, message in (
        (MAPS, 0, "does not see the host's memory"),
        (MODE, 2, "compute mode"),
        (MAJOR, 6, "7.0"),
    ):
        gpu.reset()
        gpu.set(attribute, value)
        with pytest.raises(InputError, match=rf'backend="cuda" cannot run here: .*{message}.*use backend="cpu"'):
            wb.Runtime("cuda")
    assert wb.Runtime("auto").backend == "cpu"


def test_more_kernels_than_a_persistent_kernel_has_rings(gpu: Machine) -> None:
    with wb.Runtime("cuda") as runtime:
        kernels = [runtime.launch(f"scale {place}", handler="scale") for place in range(34)]
        for place, kernel in enumerate(kernels):
            assert np.array_equal(kernel.call((X, place)), X * place)
        assert np.array_equal(kernels[0].call((X, 2.0)), X * 2)


@pytest.mark.parametrize("resident", [True, False])
def test_a_lost_device_is_a_death(gpu: Machine, resident: bool) -> None:
    """Whether the kernel crashes, which it cannot tell, or the device is found lost with the next launch."""
    runtime = wb.Runtime("cuda")
    kernel, other = runtime.launch("scale", restarts=1), runtime.launch("other", handler="softmax", restarts=0)
    kernel.call((X, 1.0))
    other.call(X)
    if resident:
        gpu.crash()
    else:
        while gpu.busy:  # it leaves by itself
            time.sleep(0.001)
        gpu.lose()
    for _ in range(2):
        with pytest.raises(KernelDiedError, match="CUDA_ERROR_LAUNCH_FAILED"):
            kernel.call((X, 1.0), timeout=60)
    assert kernel.state == "terminated"
    with pytest.raises((KernelDiedError, ClosedError)):
        other.call(X)
    gpu.lose(0)
    runtime.shutdown(timeout=10)
    assert other.state == "terminated"


def test_a_runtime_that_nobody_refers_to_gives_the_card_back(gpu: Machine) -> None:
    runtime = wb.Runtime("cuda")
    runtime.launch("scale").call((X, 2.0))
    runtime.launch("similarity_matrix").call(X)
    runtime.launch("own", handler="softmax", thread="own").call(X)
    assert gpu.given
    del runtime
    deadline = time.monotonic() + 60
    while gpu.given and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    assert not gpu.given


def test_the_interpreter_ends_while_a_kernel_is_on_the_card(machine: Machine) -> None:
    """Without a word to it: it leaves by itself, and the process ends well."""
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        import numpy as np
        import workbench as wb
        from tests.kernels.cuda.emulated_driver import Machine

        machine = Machine(Path({str(machine.folder)!r}))
        held = machine.in_place()
        held.__enter__()
        runtime = wb.Runtime("cuda")
        own = runtime.launch("own", handler="scale", thread="own")
        print(own.call((np.ones(2), 3.0)), runtime.launch("softmax").call(np.zeros(2)))
    """
    assert run(code) == "[3. 3.] [0.5 0.5]\n"
