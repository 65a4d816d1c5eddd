"""Sweeps: real races of small sizes, and what is read out of those made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fused_kernels as fk
import workbench as wb
from fused_kernels import OPS
from workbench.bench.progress import SuiteProgress
from workbench.bench.race import Race
from workbench.bench.sweeps.sizes import ELEMENTS, between, ladder
from workbench.bench.sweeps.sweeping import growing
from workbench.bench.sweeps.swept import Stop, Sweep
from workbench.errors import InputError, MissingLibraryError, RaceError

from .sweeps import crossing_at, made_up

QUICK: dict[str, Any] = {"contenders": ["numba", "numpy"], "budget": 0}


@pytest.fixture(scope="module")
def swept() -> Sweep:
    shapes = ["4x768", (1, 12), (64, 768)]
    return wb.sweep("softmax", shapes=shapes, dtypes=["float32", "float64"], **QUICK)


def test_each_size_is_a_race_in_each_dtype_from_small_to_large(swept: Sweep) -> None:
    assert [(point.dtype, point.shape) for point in swept.points] == [
        (dtype, shape) for dtype in ("float32", "float64") for shape in ((1, 12), (4, 768), (64, 768))
    ]
    assert [point.size for point in swept.points][:3] == [12, 3072, 49_152]
    for race in swept.races:
        assert {result.contender for result in race.results if result.right} == {"numba", "numpy"}
        assert race.conditions["rounds"] >= 7
        assert race.conditions["out"]
    assert swept.complete
    assert "numba" in swept.recommendation


def test_a_sweep_survives_json(swept: Sweep) -> None:
    assert Sweep.from_dict(json.loads(json.dumps(swept.to_dict()))) == swept


def test_the_table_has_a_row_for_each_size_and_contender(swept: Sweep, tmp_path: Path) -> None:
    table = swept.to_pandas()
    assert len(table) == 2 * 3 * 2
    row = table[(table["dtype"] == "float64") & (table["shape"] == "4x768") & (table["contender"] == "numba")].iloc[0]
    race = swept.of("float64")[1][1]
    assert row["median"] == race["numba"].median
    assert row["speedup"] == race.speedup("numba", over="numpy").value
    assert (row["over"], row["note"], row["bytes"]) == ("numpy", "", 2 * 8 * 4 * 768)
    swept.to_csv(tmp_path / "sweep.csv")
    read = pd.read_csv(tmp_path / "sweep.csv")
    assert list(read.columns) == list(table.columns)
    assert read["median"].to_list() == table["median"].to_list()


def test_parquet_gives_the_table_back(swept: Sweep, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    swept.to_parquet(tmp_path / "sweep.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "sweep.parquet"), swept.to_pandas())


def test_in_words_there_is_a_column_for_each_contender(swept: Sweep) -> None:
    text = repr(swept)
    assert text.startswith("softmax, float32 and float64\n")
    assert swept.recommendation in text
    heading = next(line for line in text.splitlines() if line.startswith("shape"))
    assert heading.split() == ["shape", "elements", "NumPy", "numba"] or heading.split()[2:] == ["numba", "NumPy"]
    assert sum(line.startswith("64 x 768 ") for line in text.splitlines()) == 2


def test_functions_are_swept_over_the_sizes_of_their_inputs() -> None:
    def inputs(size: int, dtype: str) -> tuple[np.ndarray[Any, Any]]:
        return (np.linspace(0, 1, size, dtype=dtype),)

    functions = {"cube": lambda x: x**3, "product": lambda x: x * x * x}
    found = wb.sweep(functions, inputs=inputs, shapes=[10, 1000], dtypes=["float32", "float64"], budget=0)
    assert [(point.size, point.dtype) for point in found.points] == [
        (size, dtype) for dtype in ("float32", "float64") for size in (10.0, 1000.0)
    ]
    assert (found.op, found.axis.name, found.base) == ("custom", "size", "cube")
    assert all(result.right for race in found.races for result in race.results)
    plain = wb.sweep(functions, inputs=lambda size: (np.ones(size, np.float64),), shapes=[10], budget=0)
    assert plain.dtypes == ["float64"]
    with pytest.raises(InputError, match="nobody knows bytes and flops"):
        plain.roofline()


def test_an_operation_of_the_user_can_be_swept() -> None:
    @fk.elementwise
    def swept_cube(x: Any) -> Any:
        return x * x * x

    try:
        found = wb.sweep("swept_cube", shapes=[16, 64], **QUICK)
    finally:
        OPS.remove("swept_cube")
    assert len(found.races) == 2


@pytest.fixture
def known_times(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let contenders whose times are known stand in for the races; return the sizes that were asked for."""
    asked: list[int] = []

    def single(ask: Any, **_: Any) -> Race:
        contest = ask(np.random.default_rng(0))
        asked.append(contest.shape[0])
        times = {one.name: crossing_at(700)[one.name] for one in contest.field}
        return made_up(times, sizes=[float(contest.shape[0])], spread=0.0).races[0]

    monkeypatch.setattr("workbench.bench.sweeps.sweeping.single", single)
    return asked


def test_who_would_take_too_long_stops_and_the_others_go_on(known_times: list[int]) -> None:
    found = wb.sweep("scale", shapes=[16, 256, 4096, 1 << 16, 1 << 20], patience=2e-5, **QUICK)
    assert [(stop.contender, stop.size) for stop in found.stops] == [("numpy", 1 << 16)]
    assert found.stops[0].reason == "one call would take about 29.3 µs"
    assert [len(race.results) for race in found.races] == [2, 2, 2, 1, 1]
    assert known_times == [16, 256, 4096, 1 << 16, 1 << 20]


def test_a_dtype_ends_where_all_have_stopped(known_times: list[int]) -> None:
    found = wb.sweep("scale", shapes=[16, 256, 4096, 1 << 16, 1 << 20], patience=2e-6, **QUICK)
    assert {stop.contender for stop in found.stops} == {"numba", "numpy"}
    assert [point.size for point in found.points] == [16, 256]
    assert found.complete


def test_whose_first_call_takes_too_long_stops_as_well() -> None:
    functions = {"quick": lambda x: x + 1, "slow": lambda x: (np.sort(np.tile(x, 200_000)), x + 1)[1]}
    found = wb.sweep(functions, inputs=lambda n: (np.ones(n),), shapes=[10, 20], patience=1e-4, budget=0)
    assert [(stop.contender, stop.size) for stop in found.stops] == [("slow", 10)]
    assert "slow stopped before 10: one call takes " in repr(found)
    assert [len(race.results) for race in found.races] == [1, 1]


def test_the_table_says_who_stopped() -> None:
    stop = Stop("numpy", "float32", 4096, (4096,), "one call takes 2.00 s")
    made = made_up(crossing_at(700), stops=[stop])
    table = made.to_pandas()
    gone = table[(table["contender"] == "numpy") & (table["size"] >= 4096)]
    assert gone["median"].isna().all()
    assert set(gone["note"]) == {"stopped: one call takes 2.00 s"}
    assert "NumPy stopped before 4,096: one call takes 2.00 s" in repr(made)
    assert "stopped" in repr(made).splitlines()[-4]


def test_a_sweep_grows_and_what_is_done_can_be_kept() -> None:
    steps: list[SuiteProgress] = []
    running = growing("scale", shapes=[16, 64, 256], progress=steps.append, **QUICK)
    first, second, third = next(running), next(running), next(running)
    running.close()
    assert [len(each.points) for each in (first, second, third)] == [0, 1, 2]
    assert (third.planned, third.complete) == (3, False)
    assert "2 of 3 sizes" in repr(third)
    assert first.recommendation == "Nothing has been measured yet."
    assert "scale 64 float32: " in " ".join(step.what for step in steps)
    assert steps[0].planned == 3


def test_an_interrupted_sweep_returns_what_is_done() -> None:
    def interrupt(step: SuiteProgress) -> None:
        if step.done == 1:
            raise KeyboardInterrupt

    found = wb.sweep("scale", shapes=[16, 64, 256], progress=interrupt, **QUICK)
    assert [point.size for point in found.points] == [16]
    assert not found.complete
    with pytest.raises(KeyboardInterrupt):
        wb.sweep("scale", shapes=[16], progress=lambda _: (_ for _ in ()).throw(KeyboardInterrupt), **QUICK)


def test_where_the_winner_changes_sizes_in_between_are_raced(
    known_times: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rungs = [(16 * 4**power,) for power in range(5)]
    monkeypatch.setattr("workbench.bench.sweeps.sweeping.ladder", lambda op, dtype: rungs)
    found = wb.sweep("relu", **QUICK)
    assert known_times == [16, 64, 256, 1024, 4096, 512, 724]
    assert [point.size for point in found.points] == sorted(known_times)
    assert found.complete
    assert found.crossovers[0].size == pytest.approx(700)


@pytest.mark.parametrize("op", ["relu", "softmax", "mean_pool", "cross_entropy", "matmul", "cosine_similarity"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ladder_goes_from_a_few_elements_to_beyond_the_caches(op: str, dtype: str) -> None:
    shapes = ladder(OPS[op], dtype)
    sizes = [np.prod(shape, dtype=float) for shape in shapes]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 1000
    assert all(len(shape) == len(OPS[op].dimensions) for shape in shapes) or OPS[op].family == "elements"
    assert all(2 <= later / sooner <= 12 for sooner, later in pairwise(sizes))
    inputs = OPS[op].sample(shapes[0], np.dtype(dtype), np.random.default_rng(0))
    assert np.isfinite(np.asarray(OPS[op].reference(**inputs))).all()
    if OPS[op].family != "matrices":
        assert sizes[-1] > 1e6


def test_between_two_shapes_lies_their_geometric_mean() -> None:
    assert between((1, 768), (16, 768)) == (4, 768)
    assert ELEMENTS.size((4, 768)) == 3072


@pytest.mark.parametrize(
    ("op", "options", "error", "words"),
    [
        ("softmx", {}, InputError, "softmax"),
        (3, {}, InputError, "takes the name of an operation"),
        ("softmax", {"dtypes": []}, InputError, "needs a dtype"),
        ("softmax", {"dtypes": ["int7"]}, InputError, "int7"),
        ("softmax", {"shapes": ["nothing"]}, InputError, "is no shape"),
        ("softmax", {"shapes": "4x4"}, InputError, "list of shapes"),
        ("softmax", {"shapes": []}, InputError, "needs shapes"),
        ("softmax", {"shapes": [(4, 16), (16, 4)]}, InputError, "have the same of 64 elements"),
        ("softmax", {"budget": -1}, InputError, "budget"),
        ("softmax", {"contenders": ["nobody"]}, InputError, "no contender 'nobody'"),
        ("softmax", {"inputs": lambda size: ()}, InputError, "belongs to functions"),
        ({"f": np.sin}, {}, InputError, "needs inputs="),
        ({"f": np.sin}, {"inputs": lambda n: (np.ones(n),), "dtypes": ["float32", "float64"]}, InputError, "too"),
        ({"f": np.sin}, {"inputs": lambda n: (np.ones(n),), "shapes": [(2, 3)]}, InputError, "single sizes"),
        ({"f": lambda: 1}, {"inputs": lambda n: (np.ones(n),)}, RaceError, "f"),
    ],
)
def test_what_cannot_be_swept_is_said(op: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        wb.sweep(op, **{"budget": 0, **options})


def test_a_size_that_fails_later_is_a_line_of_the_table() -> None:
    def inputs(size: int) -> Iterator[Any] | tuple[Any, ...]:
        return (np.ones(size),)

    def picky(x: Any) -> Any:
        if len(x) > 10:
            raise ValueError("too long for me")
        return x + 1

    found = wb.sweep({"picky": picky, "plain": lambda x: x + 1}, inputs=inputs, shapes=[10, 20], budget=0)
    assert [bool(point.race) for point in found.points] == [True, False]
    assert "too long for me" in found.points[1].failure
    assert "no race at 20 float64: " in repr(found)


def test_a_contender_that_fails_is_told_with_its_reason() -> None:
    made = made_up(crossing_at(700))
    record = made.to_dict()
    for point in record["points"][3:5]:
        point["race"]["results"] = [one for one in point["race"]["results"] if one["contender"] != "numba"]
        point["race"]["absent"] = {"numba": "numba fails on gelu: TypeError: no"}
    text = repr(Sweep.from_dict(record))
    assert "numba failed at 2 of 9 sizes: numba fails on gelu: TypeError: no" in text
    assert sum(line.endswith("failed") or " failed " in line for line in text.splitlines()) == 3


def test_missing_libraries_are_named() -> None:
    assert issubclass(MissingLibraryError, ImportError)
    assert "cupy" in wb.sweep("scale", shapes=[16], budget=0).absent
