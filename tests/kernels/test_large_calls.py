"""Large calls go from Python to machine code in one step as well, which starts the workers' shares itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.cpu.loops import elements_launch
from fused_kernels.ops.add_layer_norm import cpu as pairs
from fused_kernels.ops.cross_entropy import cpu as losses
from fused_kernels.ops.layer_norm import cpu as rows
from fused_kernels.ops.mean_pool import cpu as means
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
SHAPE = (512, 768)
rng = np.random.default_rng(17)
x, y = rng.standard_normal((2, *SHAPE)).astype(np.float32)
labels = rng.integers(0, SHAPE[1], SHAPE[0])
tokens = x.reshape(4, 128, SHAPE[1])


def out() -> Array:
    return np.full_like(x, np.nan)


def two() -> tuple[Array, Array]:
    return out(), out()


def first(name: str, target: Any) -> Any:
    """Call what the public function of that name tries first; None if it refuses."""
    if name == "relu":
        kit = fk.relu.forms().kit  # type: ignore[attr-defined]
        return elements_launch.attempt(kit, target, (x,))
    if name == "layer_norm":
        return rows.attempt(rows.plain.kit, x, target, None, None, 1e-5)
    if name == "add_layer_norm":
        done = pairs.attempt_pair(pairs.plain.kit, x, y, *target, None, None, 1e-5)
        return done if done[1] is not None else None
    if name == "cross_entropy":
        return losses.attempt(losses.losses.kit, x, labels, target, -100, 0)
    return means.attempt(means.means.kit, tokens, None, target)


CALLS: dict[str, tuple[Callable[..., Any], Callable[[], Any]]] = {
    "relu": (lambda target: fk.relu(x, out=target), out),
    "layer_norm": (lambda target: fk.layer_norm(x, out=target), out),
    "add_layer_norm": (lambda target: fk.add_layer_norm(x, y, out=target), two),
    "cross_entropy": (lambda target: fk.cross_entropy(x, labels, out=target), lambda: np.empty((), np.float32)),
    "mean_pool": (lambda target: fk.mean_pool(tokens, out=target), lambda: np.empty((4, SHAPE[1]), np.float32)),
}
"""What Python does, and what it writes to."""


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = fk.get_num_threads()
    fk.set_num_threads(2)
    yield
    fk.set_num_threads(before)


def from_python(name: str) -> Any:
    """Return what the other path gives, which a trace makes a call take; the workers have started then."""
    call, target = CALLS[name]
    with tracing():
        return call(target())


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_taken_and_gives_the_same(name: str, threads: int) -> None:
    fk.set_num_threads(threads)
    expected, target = from_python(name), CALLS[name][1]()
    done = first(name, target)
    if isinstance(target, tuple):
        assert all(mine is given for mine, given in zip(done, target, strict=True))
    else:
        assert done is target
    np.testing.assert_array_equal(done, expected)


@pytest.mark.parametrize("name", CALLS)
def test_python_starts_workers_that_are_missing(name: str) -> None:
    expected = from_python(name)
    workers = [
        int(thread.name.rpartition("-")[2]) for thread in threading.enumerate() if "fused_kernels-" in thread.name
    ]
    fk.set_num_threads(max(workers) + 2)
    target = CALLS[name][1]()
    assert first(name, target) is None
    np.testing.assert_allclose(CALLS[name][0](target), expected, rtol=1e-6)
    assert first(name, CALLS[name][1]()) is not None


def test_python_takes_what_needs_more_than_a_loop() -> None:
    for name in ("relu", "layer_norm"):
        from_python(name)
    assert first("layer_norm", None) is None, "a large new array comes from the pool"
    assert first("relu", None) is None
    for name in ("relu", "layer_norm"):
        expected, given = from_python(name), x.copy()
        np.testing.assert_array_equal(fk.OPS[name].function(given, out=given), expected)
        np.testing.assert_array_equal(fk.OPS[name].function(given.copy()), fk.OPS[name].function(given))


def test_a_formula_writes_over_its_input() -> None:
    expected, given = from_python("relu"), x.copy()
    kit = fk.relu.forms().kit  # type: ignore[attr-defined]
    assert elements_launch.attempt(kit, given, (given,)) is given
    np.testing.assert_array_equal(given, expected)


def test_rare_calls_are_right_whether_a_worker_sleeps_or_not() -> None:
    expected = from_python("layer_norm")
    for pause in (0.0, 0.0, 0.001, 0.0, 0.001, 0.001):  # workers sleep after 0.1 ms
        time.sleep(pause)
        np.testing.assert_array_equal(first("layer_norm", out()), expected)
