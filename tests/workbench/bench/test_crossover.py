"""Where the winner changes: on made-up samples whose crossing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bench.sweeps.crossover import Crossover
from workbench.bench.sweeps.sizes import MATRICES, PLAIN
from workbench.bench.sweeps.swept import Sweep

from .sweeps import SIZES, crossing_at, made_up


def only(sweep: Sweep) -> Crossover:
    (found,) = sweep.crossovers
    return found


@given(st.floats(30, 500_000), st.floats(0.2, 1.0), st.integers(0, 1000))
def test_a_crossing_lies_between_its_neighbours_and_near_the_truth(size: float, steep: float, seed: int) -> None:
    found = only(made_up(crossing_at(size, steep=steep), spread=0.01, seed=seed))
    assert (found.under, found.over, found.dtype) == ("numpy", "numba", "float32")
    assert found.low <= found.size <= found.high
    assert SIZES[0] <= found.low
    assert found.high <= SIZES[-1]
    assert found.size == pytest.approx(size, rel=0.05 / steep)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    found = [only(made_up(crossing_at(700), spread=0.2, seed=seed)) for seed in range(200)]
    assert sum(one.low <= 700 <= one.high for one in found) >= 184  # 92 %; 95 % is promised


def test_more_noise_makes_a_wider_interval() -> None:
    narrow, wide = (only(made_up(crossing_at(700), spread=spread)) for spread in (0.01, 0.2))
    assert np.log(wide.high / wide.low) > 5 * np.log(narrow.high / narrow.low)


@given(st.floats(30, 500_000), st.integers(0, 1000))
def test_either_of_two_may_be_named_first(size: float, seed: int) -> None:
    sweep = made_up(crossing_at(size), seed=seed)
    other = Sweep(sweep.op, sweep.axis, sweep.entrants, "numba", sweep.points, (), {}, 0)
    assert only(sweep) == only(other)


def test_no_crossing_where_one_wins_everywhere() -> None:
    sweep = made_up({"numba": lambda n: 1e-6 * n, "numpy": lambda n: 8e-6 * n})
    assert sweep.crossovers == ()
    assert sweep.recommendation.startswith("numba is faster than NumPy at every size measured, by up to 8.")


def test_no_difference_is_said_and_no_crossing_made_of_noise() -> None:
    sweep = made_up({"numba": lambda n: 1e-6 * n, "numpy": lambda n: 1e-6 * n}, spread=0.3, seed=1)
    assert sweep.crossovers == ()
    assert sweep.recommendation == "There is no difference between NumPy and numba at every size measured."


def test_sizes_without_a_difference_lie_between() -> None:
    def numpy(n: float) -> float:
        return 1e-6 * (0.5 if n < 500 else 1.0 if n < 20_000 else 3.0)

    sweep = made_up({"numba": lambda n: 1e-6, "numpy": numpy}, spread=0.1, seed=2)
    found = only(sweep)
    assert found.undecided
    assert 256 <= found.low < 1024
    assert 16_384 <= found.high < 65_536
    under, between, above = sweep.recommendation.split("; ")
    assert under.startswith("Under ")
    assert under.endswith("use NumPy")
    assert between.startswith("between ")
    assert between.endswith("there is no difference")
    assert above.startswith("from there on numba is up to 3")


def test_a_single_size_without_a_difference_changes_nothing() -> None:
    times = {"numba": lambda n: 1e-6, "numpy": lambda n: 1e-6 * (1.0 if n == 1024 else 2.0)}
    sweep = made_up(times, spread=0.1, seed=3)
    assert sweep.main_duels("float32")[0].winners.count(None) == 1
    assert sweep.crossovers == ()


def test_several_crossings_are_all_found() -> None:
    def numpy(n: float) -> float:
        return 1e-6 * (0.5 if n < 500 or n > 100_000 else 2.0)

    first, second = (sweep := made_up({"numba": lambda n: 1e-6, "numpy": numpy})).crossovers
    assert (first.under, first.over) == (second.over, second.under) == ("numpy", "numba")
    assert 256 <= first.size <= 1024 < 65_536 <= second.size <= 262_144
    assert sweep.recommendation.count(";") == 2


def test_ours_against_numpy_comes_first_and_every_pair_is_there() -> None:
    times = {**crossing_at(700), "torch": lambda n: 3e-6}
    pairs = [{one.under, one.over} for one in made_up(times).crossovers]
    assert pairs[0] == {"numba", "numpy"}
    assert {"numba", "torch"} in pairs
    assert {"numpy", "torch"} in pairs


def test_a_wrong_result_takes_no_part() -> None:
    sweep = made_up(crossing_at(700))
    wrong = [result for point in sweep.points if point.race for result in point.race.results]
    assert wrong
    record = sweep.to_dict()
    for point in record["points"]:
        for result in point["race"]["results"]:
            result.update({"right": False, "fault": "is off"} if result["contender"] == "numba" else {})
    found = Sweep.from_dict(record)
    assert found.crossovers == ()
    assert "numba is off, at 9 of 9 sizes" in found.recommendation


def test_the_recommendation_says_size_winner_and_factor_in_each_dtype() -> None:
    said = made_up(crossing_at(700), spread=0.0).recommendation
    assert said == "Under 700 elements use NumPy; from there on numba is up to 39 times faster."
    both = made_up(crossing_at(700), spread=0.0, dtypes=("float32", "float64")).recommendation
    assert both.startswith("In float32: under 700 elements")
    assert " In float64: under 700 elements" in both


def test_further_contenders_are_named_where_they_win() -> None:
    slower = made_up({**crossing_at(700), "torch": lambda n: 1e-4 * n})
    assert "torch" not in slower.recommendation
    faster = made_up({**crossing_at(700), "torch": lambda n: 1e-6 * n**0.1 * (5000 / n)})
    assert "Beside torch: under 5,000 elements use numba" in faster.recommendation.replace("4,900", "5,000")


def test_sizes_are_called_what_they_are() -> None:
    sides = [8.0 * 2**power for power in range(8)]
    assert "x 90 use NumPy" in made_up(crossing_at(90), sizes=sides, axis=MATRICES, spread=0.001).recommendation
    assert "Under a size of 90 use NumPy" in made_up(crossing_at(90), axis=PLAIN, spread=0.001).recommendation


def test_the_same_samples_give_the_same_crossover() -> None:
    assert only(made_up(crossing_at(700))) == only(made_up(crossing_at(700)))
    assert np.isfinite(only(made_up(crossing_at(700), spread=0.0)).size)
