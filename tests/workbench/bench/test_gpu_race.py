"""A race on a device that is a thread: what is recorded, and who is caught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as some_arrays

import workbench as wb
from workbench.bench.past.against import against
from workbench.bench.race import Race
from workbench.bench.racing.far_values import rounded
from workbench.errors import InputError

from .lane import Cell, Lane, kernel, opened
from .planted import Cheats, Function

x = np.random.default_rng(3).standard_normal((20, 30)).astype(np.float32)
silu = kernel(lambda x: x / (1 + np.exp(-x)))
reciprocal = kernel(lambda x: 1 / (1 + np.exp(-x)))
product = kernel(lambda x, y: x * y)
CHEATS = Cheats()
caught = CHEATS.caught


def steps(x: Cell, out: Cell | None = None) -> Any:
    return product(x, reciprocal(x), out=out)


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    with opened() as made:
        yield made


@pytest.fixture(scope="module")
def race(lane: Lane) -> Race:
    return wb.compare({"fused": silu, "steps": steps}, inputs=(x,), device=lane, rounds=3)


def test_the_record_tells_of_the_device_and_of_the_host(race: Race) -> None:
    assert all(result.right for result in race.results), race
    assert race.conditions["device"] == "a thread"
    assert race.conditions["out"] == ["fused", "steps"]
    assert race.conditions["truth"] == "fused in float64"
    for result in race.results:
        assert result.on_device is not None
        assert [len(times) for times in (result.seconds, result.on_device.host, result.on_device.waited)] == [3, 3, 3]
        assert len(result.on_device.graph) == 3
        assert min(result.on_device.waited) >= 0
        assert result.peak_bytes is None
    assert Race.from_json(race.to_json()) == race


def test_text_table_and_card_show_it(race: Race) -> None:
    for heading in ("to launch", "waited for", "as a graph"):
        assert heading in repr(race)
        assert heading in race._repr_html_()
    assert "time of the a thread" in race.conditions_text
    frame = race.to_pandas()
    assert {"host", "waited", "graph"} < set(frame.columns)
    assert frame["graph"].notna().all()
    on_the_cpu = wb.compare({"mine": np.exp}, inputs=(x,), rounds=1)
    assert "to launch" not in repr(on_the_cpu)
    assert "host" not in on_the_cpu.to_pandas().columns


def test_it_is_another_question_than_the_same_race_on_the_cpu(race: Race, tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    on_the_cpu = wb.compare({"fused": lambda x: x / (1 + np.exp(-x))}, inputs=(x,), rounds=1)
    race.save(file), on_the_cpu.save(file)
    runs = {run.device: run for run in wb.history(path=file)}
    assert set(runs) == {"a thread", ""}
    assert runs[""].question != runs["a thread"].question
    assert "a thread" in repr(wb.history(path=file))
    with pytest.raises(InputError, match="of the a thread"):
        against(race, on_the_cpu)


def test_a_cold_race_says_so(lane: Lane) -> None:
    race = wb.compare({"fused": silu}, inputs=(x,), device=lane, rounds=2, cache="cold")
    assert "cold cache" in race.conditions_text
    assert "written over before each call" in race.conditions["method"]
    assert race["fused"].right


def test_who_cannot_be_captured_says_why(lane: Lane) -> None:
    def waiting(x: Cell) -> Any:
        lane.wait()
        return silu(x)

    def outside(x: Cell) -> Any:
        made = Cell(np.zeros_like(x.data), lane)
        made.data[...] = silu(x).get() if lane.capturing is None else 0
        return made

    race = wb.compare({"fused": silu, "waiting": waiting, "outside": outside}, inputs=(x,), device=lane, rounds=2)
    assert all(result.right for result in race.results), race
    reasons = {result.contender: result.on_device.uncaptured for result in race.results if result.on_device}
    assert reasons["waiting"] == "RuntimeError: nobody can wait within a graph"
    assert reasons["outside"].startswith("a replay has ")
    assert reasons["fused"] == ""
    assert race["waiting"].on_device.graph == ()  # type: ignore[union-attr]
    assert race.conditions["starved"] >= 2
    assert "the GPU waited for the CPU" in race.conditions_text


def test_inputs_that_lie_there_already_and_new_ones_for_each_round(lane: Lane) -> None:
    race = wb.compare({"fused": silu}, inputs={"0": lane.put(x)}, device=lane, rounds=2)
    assert (race.shape, race.dtype) == ((20, 30), "float32")
    drawn = wb.compare(
        {"fused": silu, "steps": steps},
        inputs=lambda rng: (rng.standard_normal((20, 30)),),
        device=lane,
        rounds=3,
    )
    assert (drawn.dtype, drawn["steps"].right) == ("float64", True)
    assert "results on other values after the race" in drawn.conditions["checks"]


@caught("returns before its work is done")
def on_another_stream() -> Function:
    other = Lane()
    late = kernel(lambda x: x / (1 + np.exp(-x)), other)

    def cheat(x: Cell, out: Cell | None = None) -> Any:
        x.lane.others = [other]
        if other.is_idle:
            other.hold(0.01)
        return late(x, out=out)

    return cheat


@caught("of its out= unwritten")
def half_of_it() -> Function:
    half = kernel(lambda x: x / (1 + np.exp(-x)))

    def cheat(x: Cell, out: Cell | None = None) -> Any:
        if out is None:
            return silu(x)
        half(x[:10], out=out[:10])
        return out

    return cheat


@caught("changes its input")
def spoils_its_input() -> Function:
    nothing = kernel(np.zeros_like)

    def cheat(x: Cell, out: Cell | None = None) -> Any:
        made = silu(x, out=out)
        nothing(x, out=x)
        return made

    return cheat


@caught("earlier values")
def knows_its_input_by_address() -> Function:
    seen: dict[int, Any] = {}
    copy = kernel(lambda x: x)

    def cheat(x: Cell) -> Any:
        if id(x) not in seen:
            seen[id(x)] = silu(x)
        return copy(seen[id(x)])

    return cheat


@caught("same memory")
def one_buffer_for_all() -> Function:
    kept: list[Cell] = []

    def cheat(x: Cell) -> Any:
        if not kept:
            kept.append(silu(x))
        return silu(x, out=kept[0])

    return cheat


@caught("returns float32 where float64 is due")
def half_the_precision() -> Function:
    def cheat(x: Cell) -> Any:
        made = Cell(np.zeros(x.shape, np.float32), x.lane)
        return silu(x, out=made)

    return cheat


@caught("of the elements")
def nearly_right() -> Function:
    return kernel(lambda x: 1.001 * x / (1 + np.exp(-x)))


@pytest.fixture(scope="module")
def race_of_cheats(lane: Lane) -> Race:
    entrants = {"honest": silu} | {name: make() for name, (make, _) in CHEATS.items()}
    return wb.compare(entrants, inputs=(x.astype(np.float64),), device=lane, rounds=3)


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_are_caught_and_named(race_of_cheats: Race, name: str) -> None:
    assert race_of_cheats["honest"].right, race_of_cheats
    assert CHEATS[name][1] in race_of_cheats[name].fault


@settings(max_examples=50)
@given(some_arrays(np.float32, 7, elements=st.floats(width=32)))
def test_bfloat16_numbers_are_those_that_others_round_to(values: np.ndarray) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(rounded(values), expected)


def test_numbers_of_bfloat16_stay_what_they_are(lane: Lane) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    narrow = x.astype(ml_dtypes.bfloat16)
    double = kernel(lambda x: x + x)
    race = wb.compare({"mine": double}, inputs=(narrow,), device=lane, rounds=2)
    assert (race.dtype, race["mine"].right) == ("bfloat16", True)
    assert "the same values in each round" in race.conditions["checks"]
    drawn = wb.compare({"mine": double}, inputs=lambda rng: (lane.put(narrow),), device=lane, rounds=2)
    assert (drawn.dtype, drawn["mine"].right) == ("bfloat16", True)
