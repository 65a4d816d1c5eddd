"""Kernels started by the driver's own interface: on whose context and stream, over what, and what it refuses.

The driver is emulated, and torch's tensors are real ones whose memory happens to be the CPU's.
"""

from __future__ import annotations

import ctypes
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import fused_kernels as fk
from fused_kernels.cuda import arrays, driver, ready
from fused_kernels.cuda.arrays import Torch
from fused_kernels.cuda.launch import Card, Launch
from fused_kernels.cuda.views import View

from .cases import variants
from .emulated_driver import MULTIPROCESSORS, Machine

THREADS = 39


class OnTheDriver(Torch):
    """torch's side as it is, but for what asks torch itself for a GPU.

    Memory that is given back on a GPU is not anyone's before the kernels are done; here it stays for good.
    """

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def owns(self, value: object) -> bool:
        return isinstance(value, torch.Tensor)

    def view(self, operation: str, name: str, value: torch.Tensor) -> View:
        return super().view(operation, name, value)._replace(device=0)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> torch.Tensor:
        self.kept.append(torch.full(shape, 99, dtype=getattr(torch, dtype)))
        return self.kept[-1]

    def assign(self, target: torch.Tensor, value: torch.Tensor) -> None:
        done()  # which the order on a stream sees to on a GPU
        super().assign(target, value)

    def stream(self, device: int) -> int:
        return 0


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to compile kernels for the CPU with: apt install g++")
    made, library = Machine(Path(request.config.cache.mkdir("emulated_kernels"))), OnTheDriver()
    arrays.libraries.insert(0, library)
    with made.in_place():
        made.set(THREADS, 1536)
        yield made
        assert not made.failure
    arrays.libraries.remove(library)


def kept() -> list[torch.Tensor]:
    """Return all tensors that were made on the GPU."""
    return arrays.libraries[0].kept


def done() -> None:
    """Wait until the GPU has done all."""
    with driver.current(0):
        driver.check(driver.driver_library().cuStreamSynchronize(ctypes.c_void_p(0)))


def test_calls_go_through_the_driver_and_those_like_one_before_without_a_plan(machine, monkeypatch) -> None:
    x, weight = torch.randn(300, 40), torch.rand(40)
    expected = torch.nn.functional.layer_norm(x, (40,), weight)
    plans = []
    monkeypatch.setattr(
        ready, "remember", lambda call, made: plans.append(made) or ready._known.update({call.key: made})
    )
    for again in (x, x.clone(), x):
        found = fk.layer_norm(again, weight)
        done()
        torch.testing.assert_close(found, expected)
    assert len(plans) == 1
    target = torch.zeros(300, dtype=torch.int64)
    loss = fk.cross_entropy(x, target)
    total = fk.sum_of_squares(x)
    done()
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(x, target))
    torch.testing.assert_close(total, (x * x).sum())


def test_what_receives_a_result_is_looked_at_each_time(machine) -> None:
    memory = torch.randn(2, 64).repeat(3, 1)
    out = torch.zeros(2, 64)
    # Beside an input's rows, over them, across them.
    for target, is_direct in ((memory[1:3], False), (out, True), (memory[:2], True), (memory[1:3], False), (out, True)):
        made = len(kept())
        expected = torch.softmax(memory[:2], -1)
        assert fk.softmax(memory[:2], out=target) is target
        done()
        torch.testing.assert_close(target, expected)
        assert (len(kept()) == made) == is_direct


def test_a_card_is_what_the_driver_says_of_it(machine) -> None:
    machine.set(MULTIPROCESSORS, 5)
    assert driver.card(0) == Card(5, 1536)
    assert [Card(2, threads).blocks(512) for threads in (1024, 1536, 2048)] == [4, 6, 8]
    assert Card(2, 100).blocks(512) == 2
    notes = fk.explain("softmax", torch.zeros(10_000, 64)).notes
    assert any(f"{5 * 1536 // 128} blocks" in note for note in notes)


def test_each_thread_finds_the_context_of_the_device(machine) -> None:
    found, x = [], torch.randn(4, 100)

    def work() -> None:
        found.append(fk.softmax(x))
        done()

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    with driver.current(0):
        found.append(fk.softmax(x))
    done()
    for each in found:
        torch.testing.assert_close(each, torch.softmax(x, -1))


def test_what_the_driver_refuses_is_an_error_with_its_words(machine) -> None:
    kernel = variants("softmax", "float32")[0]
    start = driver.starter(Launch(kernel, 1, 32, ()), 0)
    machine.lose()
    with pytest.raises(fk.KernelError, match="CUDA: "):
        start(bytes(200), 0)
