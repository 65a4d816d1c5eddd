"""Honest contenders, of all the kinds that people write: none is accused of anything."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytest
import torch

import workbench as wb
from fused_kernels import OPS
from workbench.bench import contenders
from workbench.bench.environment import installed

rng = np.random.default_rng(5)
x = rng.standard_normal((24, 40)).astype(np.float32)
wide = x.astype(np.float64)
holes = np.where(wide > 1.5, np.nan, np.where(wide < -1.5, np.inf, wide))
positive_definite = wide @ wide.T + 24 * np.eye(24)
ordered = np.sort(wide.ravel())
counts = rng.integers(0, 9, 600)
whole = np.round(wide * 10)
orthogonal = np.linalg.qr(rng.standard_normal((16, 16)))[0]
probabilities = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
pool = ThreadPoolExecutor(2)


@dataclass(frozen=True)
class Extremes:
    low: float
    high: Any


class Normalizer:
    """An object with a scratch buffer of its own, and a result of its own for each call."""

    def __init__(self) -> None:
        self.scratch: Any = None

    def __call__(self, values: Any) -> Any:
        if self.scratch is None or self.scratch.shape != values.shape:
            self.scratch = np.empty_like(values)
        np.subtract(values, values.mean(axis=1, keepdims=True), out=self.scratch)
        return self.scratch / values.std(axis=1, keepdims=True)


def outer(shape: tuple[int, ...]) -> Any:
    return np.add.outer(*(np.arange(size, dtype=np.float32) for size in shape))


positions = functools.lru_cache(maxsize=8)(outer)


def row_by_row(values: Any) -> Any:
    result = np.empty_like(values)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            result[row, column] = np.exp(values[row, column])
    return result


def by_a_joined_thread(values: Any) -> Any:
    result = np.empty_like(values)
    thread = threading.Thread(target=np.exp, args=(values, result))
    thread.start()
    thread.join()
    return result


def by_a_pool(values: Any) -> Any:
    return np.concatenate(list(pool.map(np.exp, np.array_split(values, 2))))


def slow_at_first() -> Callable[..., Any]:
    calls = [0]

    def function(values: Any) -> Any:
        calls[0] += 1
        return np.exp(values) if calls[0] > 1 else functools.reduce(lambda _, __: np.exp(values), range(200), values)

    return function


def packs_its_weight() -> Callable[..., Any]:
    """Keeps a weight in another layout for as long as its values are the same."""
    packed: list[Any] = [None, None]

    def function(values: Any, weight: Any) -> Any:
        if packed[0] is None or not np.array_equal(packed[0], weight):
            packed[:] = weight.copy(), np.asfortranarray(weight)
        return values @ packed[1]

    return function


def insists_on_symmetry(a: Any) -> Any:
    assert np.array_equal(a, a.T)
    return np.linalg.cholesky(a)


def into_out(values: Any, out: Any = None) -> Any:
    return np.exp(values, out=out)


def by_blocks_of_four(values: Any) -> Any:
    """Made for whole blocks of rows, and wrong without them."""
    result = np.zeros_like(values)
    for start in range(0, len(values) // 4 * 4, 4):
        result[start : start + 4] = np.exp(values[start : start + 4])
    return result


def only_this_shape(values: Any) -> Any:
    if values.shape != (24, 40):
        raise ValueError("made for 24 rows")
    return np.exp(values)


def jitted() -> Callable[..., Any]:
    import jax

    return jax.jit(jax.numpy.exp)


def by_numexpr(values: Any) -> Any:
    import numexpr

    return numexpr.evaluate("exp(values)")


Case = tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
CASES: dict[str, Case] = {
    "allocates": (np.exp, lambda values: np.exp(values * 1), (x,)),
    "joined thread": (np.exp, by_a_joined_thread, (x,)),
    "pool": (np.exp, by_a_pool, (x,)),
    "numba": (np.exp, numba.njit(row_by_row), (x,)),
    "torch from numpy": (np.exp, lambda values: torch.exp(torch.from_numpy(values)), (x,)),
    "torch to numpy": (np.exp, lambda values: torch.exp(torch.from_numpy(values)).numpy(), (x,)),
    "torch tensors": (torch.exp, lambda values: values.exp(), (torch.from_numpy(x.copy()),)),
    "torch gradients": (torch.exp, lambda t: t.exp(), (torch.from_numpy(x.copy()).requires_grad_(),)),
    "torch half": (torch.exp, lambda t: t.exp(), (torch.from_numpy(x).to(torch.bfloat16),)),
    "wider": (np.exp, lambda values: np.exp(values.astype(np.float64)), (x,)),
    "tuple": (lambda v: (v.min(), v.max(axis=0)), lambda v: (np.min(v), np.max(v, axis=0)), (x,)),
    "dict": (lambda v: {"a": v + 1, "b": v.sum()}, lambda v: {"a": 1 + v, "b": np.sum(v)}, (x,)),
    "record": (lambda v: Extremes(float(v.min()), v.max(0)), lambda v: Extremes(np.min(v), np.max(v, 0)), (x,)),
    "scalar": (np.sum, lambda values: float(values.sum()), (x,)),
    "scalar of float32": (lambda v: float(np.sum(v)), lambda v: v.sum(), (x,)),
    "zero dimensions": (np.sum, lambda values: np.asarray(values.sum()), (x,)),
    "integers": (np.bincount, lambda v: np.add.reduceat(np.ones(v.size, int), [0]) * 0 + np.bincount(v), (counts,)),
    "integer inputs": (np.cumsum, np.add.accumulate, (counts,)),
    "booleans": (lambda v: v > 0, lambda v: np.greater(v, 0), (x,)),
    "complex": (np.fft.fft, lambda v: np.conj(np.fft.ifft(np.conj(v))) * v.shape[-1], (wide,)),
    "complex inputs": (np.abs, lambda v: np.hypot(v.real, v.imag), (wide + 1j * wide[::-1],)),
    "own scratch": (lambda v: (v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True), Normalizer(), (wide,)),
    "plan by shape": (lambda v: v + outer(v.shape), lambda v: v + positions(v.shape), (x,)),
    "constant by shape": (lambda v: outer(v.shape), lambda v: positions(v.shape), (x,)),
    "only its shape": (lambda v: np.zeros(v.shape), np.zeros_like, (wide,)),
    "a view": (lambda v: v.T.copy(), lambda v: v.T, (x,)),
    "its input": (lambda v: v.copy(), lambda v: v, (x,)),
    "views of parts": (lambda v: tuple(v + 0), lambda v: tuple(row for row in v), (x,)),
    "into out": (np.exp, into_out, (x,)),
    "sorted": (lambda v: np.interp(0.1, v, v), lambda v: np.interp([0.1], v, v)[0], (ordered,)),
    "sorted search": (
        lambda v: np.searchsorted(v, [0.0]),
        lambda v: np.count_nonzero(v < 0, keepdims=True),
        (ordered,),
    ),
    "distinct values": (
        np.unique,
        lambda v: np.array(sorted(set(v.ravel().tolist()))),
        (np.round(wide, 1),),
    ),
    "rounds": (lambda v: np.floor(v * 10), lambda v: np.floor(10 * v), (np.round(wide, 1),)),
    "positive": (np.log, lambda v: np.log2(v) / np.log2(np.e), (np.abs(wide),)),
    "positive definite": (np.linalg.cholesky, insists_on_symmetry, (positive_definite,)),
    "last bits": (lambda v: (v == wide).sum(axis=0), lambda v: np.count_nonzero(np.equal(v, wide), axis=0), (wide,)),
    "orthogonal": (np.linalg.inv, lambda q: q.T.copy(), (orthogonal,)),
    "sums to one": (lambda p: p / p.sum(axis=1, keepdims=True), lambda p: p.copy(), (probabilities,)),
    "whole numbers": (lambda v: v.astype(int) % 7, lambda v: np.remainder(v, 7).astype(int), (whole,)),
    "ill conditioned": (
        np.linalg.inv,
        lambda a: np.linalg.solve(a, np.eye(len(a))),
        (np.vander(np.linspace(1, 2, 5)),),
    ),
    "indices": (lambda v, i: v[i], np.take, (wide.ravel(), counts)),
    "einsum": (np.matmul, lambda a, b: np.einsum("ij,jk->ik", a, b), (wide, np.ascontiguousarray(wide.T))),
    "matrix of views": (np.matmul, np.dot, (wide, wide.T)),
    "weight packed by value": (np.matmul, packs_its_weight(), (wide, np.ascontiguousarray(wide.T))),
    "holes": (np.cbrt, lambda v: np.sign(v) * np.abs(v) ** (1 / 3), (holes,)),
    "empty": (np.exp, lambda v: np.exp(v) * 1, (np.empty((0, 4)),)),
    "one number": (np.exp, lambda v: np.exp(v) * 1, (np.array([0.3]),)),
    "a number": (lambda v, s: v * s, lambda v, s: s * v, (x, 1.5)),
    "lists": (sum, np.add.reduce, ([0.5, 1.25, 3.0],)),
    "strided": (np.exp, lambda v: np.exp(np.ascontiguousarray(v)), (wide[::2, ::3],)),
    "reversed": (np.exp, lambda v: np.exp(v[::-1])[::-1], (wide[::-1],)),
    "spread out": (np.exp, lambda v: np.exp(v) * 1, (np.broadcast_to(wide[:1], (24, 40)),)),
    "slow at first": (np.exp, slow_at_first(), (x,)),
    "blocks of four": (np.exp, by_blocks_of_four, (x,)),
    "this shape only": (np.exp, only_this_shape, (x,)),
    "half floats": (np.exp, lambda v: np.exp(v.astype(np.float32)).astype(np.float16), (x.astype(np.float16),)),
    "long doubles": (np.exp, lambda v: np.exp(v) * 1, (x.astype(np.longdouble),)),
    "masked": (lambda v: np.ma.masked_less(v, 0) + 1, lambda v: 1 + np.ma.masked_less(v, 0), (x,)),
    "large": (np.exp, lambda v: np.exp(v) * 1, (rng.standard_normal((600, 500)),)),
    "large into out": (np.exp, into_out, (rng.standard_normal((600, 500)),)),
    "large turned": (lambda v: np.exp(v).T, lambda v: np.exp(v.T), (rng.standard_normal((600, 500)),)),
}


def accused(race: wb.Race) -> str:
    return "; ".join(f"{result.contender} {result.fault}" for result in race.results if not result.right)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:invalid value|Casting complex")
def test_an_honest_function_is_not_accused(name: str) -> None:
    reference, function, inputs = CASES[name]
    race = wb.compare({"theirs": reference, "mine": function}, inputs=inputs, rounds=5)
    assert not accused(race), race.conditions["checks"]


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("make", [jitted, lambda: by_numexpr], ids=["jax", "numexpr"])
def test_other_libraries_are_not_accused(make: Callable[[], Callable[..., Any]]) -> None:
    for library in ("jax", "numexpr"):
        if not installed(library):
            pytest.skip(f"{library} is not installed")
    assert not accused(wb.compare({"theirs": np.exp, "mine": make()}, inputs=(x,), rounds=5))


def test_jax_is_waited_for_wherever_its_arrays_are() -> None:
    jax = pytest.importorskip("jax")
    both = jax.jit(lambda v: {"a": (jax.numpy.exp(v), v + 1)})
    race = wb.compare({"theirs": lambda v: {"a": (np.exp(v), v + 1)}, "mine": both}, inputs=(x,), rounds=3)
    assert not accused(race)


@pytest.mark.parametrize("op", ["softmax", "linear", "add_layer_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_library_is_accused(op: str, dtype: str) -> None:
    names = [name for name in contenders.available(OPS[op]) if name not in ("torch.compile", "polyglot-bridge")]
    shape = tuple(min(size, 24) for size in OPS[op].shapes[0])
    race = wb.compare(op, shape=shape, dtype=dtype, contenders=names, rounds=5)
    assert len(race.results) == len(names)
    assert not accused(race)


def test_inputs_that_are_made_for_each_round_are_checked_in_full() -> None:
    def inputs(rng: np.random.Generator) -> dict[str, Any]:
        return {"values": np.sort(rng.standard_normal(100)), "at": rng.standard_normal(10)}

    functions = {
        "theirs": lambda values, at: (values[None] < at[:, None]).sum(axis=1),
        "mine": lambda values, at: np.searchsorted(values, at) * 1,
    }
    race = wb.compare(functions, inputs=inputs, rounds=6)
    assert not accused(race)
    assert any("sets of values" in check for check in race.conditions["checks"])
