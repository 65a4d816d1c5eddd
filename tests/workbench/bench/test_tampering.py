"""Planted cheats that touch or cut what is not theirs: each is caught, and what was replaced is put back."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.bench.racing import clock
from workbench.bench.racing.cheats.tampering import Witness

from .planted import Cheats, Function, work, x

CHEATS = Cheats()
caught = CHEATS.caught


@caught("changes its input")
def spoils_its_input() -> Function:
    def cheat(values: Any) -> Any:
        result = work(values)
        values[0, 0] += 1
        return result

    return cheat


@caught("changes its input")
def spoils_its_input_while_timed() -> Function:
    calls = [0]

    def cheat(values: Any) -> Any:
        calls[0] += 1
        result = work(values)
        if calls[0] == 3:
            values[0, 0] += 1
        return result

    return cheat


@caught("returns float16 where float32 is due")
def narrower() -> Function:
    return lambda values: work(values).astype(np.float16)


@caught("off by")
def computes_in_half_precision() -> Function:
    return lambda values: np.exp(values.astype(np.float16)).astype(np.float32)


@caught("off by")
def loses_accuracy_once_timed() -> Function:
    calls = [0]

    def cheat(values: Any) -> Any:
        calls[0] += 1
        return work(values) if calls[0] < 3 else np.exp(values.astype(np.float16)).astype(np.float32)

    return cheat


@caught("shape of this race only")
def knows_the_shape() -> Function:
    return lambda values: work(values) if values.shape == (20, 30) else values + 1


@caught("replaces time.perf_counter_ns")
def stops_the_clock() -> Function:
    def cheat(values: Any) -> Any:
        time.perf_counter_ns = lambda: 0
        return work(values)

    return cheat


@caught("replaces workbench.bench.racing.clock.now")
def stops_our_clock() -> Function:
    def cheat(values: Any) -> Any:
        clock.now = lambda: 0
        return work(values)

    return cheat


@caught("replaces workbench.bench.racing.clock._run")
def takes_no_time() -> Function:
    def cheat(values: Any) -> Any:
        clock._run = lambda call, calls, now: 0.0
        return work(values)

    return cheat


@caught("replaces time.sleep")
def keeps_the_race_awake() -> Function:
    def cheat(values: Any) -> Any:
        time.sleep = lambda seconds: None
        return work(values)

    return cheat


@caught("replaces numpy.exp")
def slows_the_others() -> Function:
    exp = np.exp

    def slow(values: Any) -> Any:
        time.sleep(0.001)
        return exp(values)

    def cheat(values: Any) -> Any:
        np.exp = slow  # type: ignore[assignment]
        return exp(values)

    return cheat


@caught("the code of honest")
def rewrites_the_reference() -> Function:
    def worse(values: Any) -> Any:
        return values

    def cheat(values: Any) -> Any:
        honest.__code__ = worse.__code__
        return values

    return cheat


@caught("off by")
def returns_its_input() -> Function:
    return lambda values: values


def honest(values: Any) -> Any:
    return work(values)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_caught_and_named(name: str) -> None:
    make, words = CHEATS[name]
    before = time.perf_counter_ns, time.sleep, np.exp, clock.now, honest.__code__
    found = wb.compare({"theirs": honest, "mine": make()}, inputs=(x,), rounds=4)
    assert words in found["mine"].fault
    assert not found["mine"].right
    assert found["theirs"].right, found.verdict
    assert f"mine {found['mine'].fault} and is out of the competition." in found.verdict
    assert before == (time.perf_counter_ns, time.sleep, np.exp, clock.now, honest.__code__)


def test_a_second_clock_tells_of_one_that_goes_wrong() -> None:
    def half() -> int:
        return time.perf_counter_ns() // 2

    for first, wrong in ((half, True), (time.perf_counter_ns, False)):
        witness = Witness(first)
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass
        assert witness.disagrees() == wrong
