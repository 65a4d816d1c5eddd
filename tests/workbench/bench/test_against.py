"""A race against an earlier one: no false alarms from a machine that changed its pace, and what got slower is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from workbench.bench.past.against import against
from workbench.bench.race import Race, Result
from workbench.bench.statistics import change
from workbench.errors import InputError


def run(rng: np.random.Generator, *, slower: float = 1.0, rounds: int = 25, pace: float = 0.15, **changes: Any) -> Race:
    """Return a race on a machine of its own pace that day, whose contenders also differ by 1 % from run to run."""
    paces = np.exp(pace * rng.normal() + 0.01 * rng.normal(size=rounds))  # slow for a while, for all
    results = tuple(
        Result(
            name,
            f"{name} 1",
            tuple(median * paces * np.exp(0.01 * rng.normal() + 0.02 * rng.normal(size=rounds))),
            *(0.1, 1e-7, True),
        )
        for name, median in (("numba", 30e-6 * slower), ("torch", 90e-6), ("numpy", 300e-6))
    )
    conditions = {"cache": "warm", "out": ["numba"], "truth": "float64", "rounds": rounds}
    where = {"cpu": "a CPU", "cores": 2, "libraries": {"numpy": "2"}}
    return replace(Race("softmax", (8, 64), "float32", results, {}, conditions, where), **changes)


def test_a_machine_of_another_pace_is_no_regression() -> None:
    rng = np.random.default_rng(0)
    alarms = sum(bool(against(run(rng), run(rng)).regressions) for _ in range(100))
    assert alarms <= 2
    plain = 0
    for _ in range(100):
        now, before = run(rng), run(rng)
        plain += change(before["numba"].seconds, now["numba"].seconds).low > 1.05
    assert plain > 20, "the times themselves would cry wolf"


@pytest.mark.parametrize(("slower", "found"), [(1.12, 0.9), (1.3, 0.99)])
def test_what_got_slower_is_found_whatever_the_machines_pace(slower: float, found: float) -> None:
    rng = np.random.default_rng(1)
    seen = [{one.contender for one in against(run(rng, slower=slower), run(rng)).regressions} for _ in range(100)]
    assert sum("numba" in names for names in seen) >= 100 * found
    assert sum("torch" in names for names in seen) <= 3


def test_the_interval_of_a_change_holds_the_true_one() -> None:
    rng = np.random.default_rng(2)
    for sizes in ((7, 7), (25, 60)):
        held = 0
        for _ in range(200):
            before, now = (np.exp(0.05 * rng.normal(size=size)) for size in sizes)
            ratio = change(before, 1.1 * now)
            held += ratio.low <= 1.1 <= ratio.high
        assert held >= 0.93 * 200


def test_a_change_is_told_in_words() -> None:
    rng = np.random.default_rng(3)
    before, now = run(rng, pace=0), run(rng, pace=0, slower=1.25)
    found = against(now, before, allow=0.1, baseline="run 12")
    (worse,) = found.regressions
    assert (worse.contender, worse.yardstick) == ("numba", "numpy")
    assert worse.ratio.value == pytest.approx(1.25, rel=0.05)
    first, second, *_ = str(found).splitlines()
    assert first == "Against run 12: numba got worse."
    assert second.startswith("numba got slower: 2")
    assert "beside NumPy (95 % interval " in second
    assert "more than the allowed 10 %" in second
    back = against(before, now)
    assert not back.regressions
    assert "nothing got slower than allowed" in str(back)
    assert "numba got faster" in str(back)


def test_the_yardstick_must_not_have_changed() -> None:
    rng = np.random.default_rng(4)
    before, now = run(rng), run(rng)
    newer = tuple(replace(r, version="numpy 2") if r.contender == "numpy" else r for r in now.results)
    where = now.environment | {"libraries": {"numpy": "3"}}
    found = against(replace(now, results=newer, environment=where), before)
    assert {one.contender: one.yardstick for one in found.changes} == {"numba": "torch", "torch": "", "numpy": "torch"}
    assert "Changed since then: numpy 2 \N{RIGHTWARDS ARROW} 3." in found.notes


def test_without_a_yardstick_the_times_are_compared() -> None:
    rng = np.random.default_rng(5)
    before, now = (replace(race, results=race.results[:1]) for race in (run(rng, pace=0), run(rng, pace=0, slower=1.3)))
    (worse,) = against(now, before).regressions
    assert worse.yardstick == ""
    assert "beside" not in str(worse)


def test_of_functions_the_reference_is_the_yardstick() -> None:
    rng = np.random.default_rng(6)
    before, now = (
        replace(
            race,
            op="custom",
            results=tuple(replace(r, contender=f"my {r.contender}", version="") for r in race.results),
            conditions=race.conditions | {"truth": "my torch in float64"},
        )
        for race in (run(rng), run(rng))
    )
    found = against(now, before)
    assert [one.yardstick for one in found.changes] == ["my torch", "", "my torch"]
    assert not found.regressions


def test_a_result_that_is_wrong_now_is_a_regression() -> None:
    rng = np.random.default_rng(7)
    before, now = run(rng), run(rng)
    wrong = (replace(now.results[0], right=False, fault="changes its input"), *now.results[1:])
    found = against(replace(now, results=wrong), before)
    assert [str(one) for one in found.regressions] == ["numba changes its input, and was right before."]
    assert not against(now, replace(before, results=wrong)).regressions


def test_another_machine_and_a_busy_one_are_said() -> None:
    rng = np.random.default_rng(8)
    before = run(rng)
    now = run(rng, environment={"cpu": "another CPU"})
    now = replace(now, conditions=now.conditions | {"disturbed": True}, results=now.results[:2])
    notes = " ".join(against(now, before).notes)
    assert "Another machine: another CPU, then a CPU." in notes
    assert "Now other programs took part of the machine." in notes
    assert "Only then: NumPy." in notes


def test_one_round_decides_nothing() -> None:
    rng = np.random.default_rng(9)
    before, now = run(rng, rounds=1, pace=0), run(rng, rounds=1, pace=0, slower=9)
    found = against(now, before)
    assert not found.regressions
    assert "unknown, of one round" in str(found)
    assert "nothing surely got slower than allowed; of numba and torch and NumPy a longer --budget would tell" in str(
        found
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": (4, 4)}, "this race is softmax 4 x 4 float32"),
        ({"conditions": {"cache": "cold", "out": []}}, "new result, cold cache"),
        ({"results": ()}, "No contender ran in this race and in the earlier race"),
    ],
)
def test_another_question_is_refused(changes: dict[str, Any], words: str) -> None:
    rng = np.random.default_rng(10)
    with pytest.raises(InputError, match=words):
        against(run(rng, **changes), run(rng))
    with pytest.raises(InputError, match="a share of 0 or more"):
        against(run(rng), run(rng), allow=-1)
