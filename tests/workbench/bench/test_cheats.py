"""Planted cheats that save work: each is caught, and named in words that say what it does."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import workbench as wb

from .planted import Cheats, Function, work, x

CHEATS = Cheats()
caught = CHEATS.caught


@caught("earlier values")
def cached_by_identity() -> Function:
    seen: dict[int, Any] = {}

    def cheat(values: Any) -> Any:
        if id(values) not in seen:
            seen[id(values)] = work(values)
        return seen[id(values)].copy()

    return cheat


@caught("earlier values")
def cached_by_address() -> Function:
    seen: dict[int, Any] = {}

    def cheat(values: Any) -> Any:
        if values.ctypes.data not in seen:
            seen[values.ctypes.data] = work(values)
        return seen[values.ctypes.data].copy()

    return cheat


@caught("it skips its work")
def out_is_looked_at() -> Function:
    def cheat(values: Any, out: Any = None) -> Any:
        if out is None:
            return work(values)
        if np.isnan(out[0, 0]):
            out[...] = work(values)
        return out

    return cheat


@caught("it remembers results")
def cached_by_content() -> Function:
    seen: dict[bytes, Any] = {}

    def cheat(values: Any) -> Any:
        key = values.tobytes()
        if key not in seen:
            seen[key] = work(values)
        return seen[key].copy()

    return cheat


@caught("it remembers results")
def last_content_is_remembered() -> Function:
    last: list[Any] = [None, None]

    def cheat(values: Any) -> Any:
        if last[0] is None or not np.array_equal(values, last[0]):
            last[:] = values.copy(), work(values)
        return last[1].copy()

    return cheat


@caught("earlier values")
def cached_by_shape() -> Function:
    seen: dict[Any, Any] = {}

    def cheat(values: Any) -> Any:
        key = values.shape
        if key not in seen:
            seen[key] = work(values)
        return seen[key].copy()

    return cheat


@caught("earlier values")
def works_every_third_time() -> Function:
    calls, last = [0], [np.empty(0)]

    def cheat(values: Any) -> Any:
        calls[0] += 1
        if calls[0] % 3 == 1:
            last[0] = work(values)
        return last[0].copy()

    return cheat


@caught("unwritten")
def writes_every_third_time() -> Function:
    calls = [0]

    def cheat(values: Any, out: Any) -> Any:
        calls[0] += 1
        if calls[0] % 3 == 1:
            np.copyto(out, work(values))
        return out

    return cheat


@caught("unwritten")
def stops_after_some_calls() -> Function:
    calls = [0]

    def cheat(values: Any, out: Any) -> Any:
        calls[0] += 1
        if calls[0] < 20:
            np.copyto(out, work(values))
        return out

    return cheat


@caught("unwritten")
def writes_the_upper_half_once_timed() -> Function:
    calls = [0]

    def cheat(values: Any, out: Any) -> Any:
        calls[0] += 1
        rows = len(out) if calls[0] < 3 else len(out) // 2
        np.copyto(out[:rows], work(values[:rows]))
        return out

    return cheat


@caught("before its work is done")
def late_thread() -> Function:
    def cheat(values: Any) -> Any:
        result = np.zeros_like(values)

        def finish() -> None:
            time.sleep(0.002)
            np.copyto(result, work(values))

        threading.Thread(target=finish, daemon=True).start()
        return result

    return cheat


@caught("before its work is done")
def late_thread_into_out() -> Function:
    def cheat(values: Any, out: Any) -> Any:
        def finish() -> None:
            time.sleep(0.002)
            np.copyto(out, work(values))

        threading.Thread(target=finish, daemon=True).start()
        return out

    return cheat


@caught("only when it is read")
def lazy() -> Function:
    class Promise:
        def __init__(self, values: Any) -> None:
            self._values = values

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return work(self._values)

    return Promise


@caught("hands out the same memory")
def reuses_its_result() -> Function:
    buffer = np.empty_like(x)

    def cheat(values: Any) -> Any:
        result = buffer if values.shape == buffer.shape else np.empty_like(values)
        np.copyto(result, work(values))
        return result

    return cheat


def honest(values: Any) -> Any:
    return work(values)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_caught_and_named(name: str) -> None:
    make, words = CHEATS[name]
    found = wb.compare({"theirs": honest, "mine": make()}, inputs=(x,), rounds=4)
    assert words in found["mine"].fault
    assert not found["mine"].right
    assert found["theirs"].right, found.verdict
    assert f"mine {found['mine'].fault} and is out of the competition." in found.verdict


def test_with_inputs_made_afresh_each_round_has_other_values() -> None:
    def inputs(rng: np.random.Generator) -> Any:
        return (rng.standard_normal((20, 30)).astype(np.float32),)

    found = wb.compare({"theirs": honest, "mine": cached_by_address()}, inputs=inputs, rounds=4)
    assert "earlier values" in found["mine"].fault
    assert found["theirs"].right


def test_a_weight_that_is_packed_by_identity_must_follow_its_values() -> None:
    """What never changes belongs into the function; an input may change from call to call."""

    def linear(values: Any, weight: Any) -> Any:
        return values @ weight

    packed: dict[int, Any] = {}

    def cheat(values: Any, weight: Any) -> Any:
        return values @ packed.setdefault(id(weight), weight.copy())

    def inputs(rng: np.random.Generator) -> Any:
        return rng.standard_normal((8, 16)), rng.standard_normal((16, 4))

    found = wb.compare({"theirs": linear, "mine": cheat}, inputs=inputs, rounds=6)
    assert not found["mine"].right
    weight = np.random.default_rng(0).standard_normal((16, 4))
    own = weight.copy()
    fixed = {"theirs": lambda values: values @ weight, "mine": lambda values: values @ own}
    assert wb.compare(fixed, inputs=lambda rng: rng.standard_normal((8, 16)), rounds=4)["mine"].right
