"""Rooflines: operations placed by their own bytes and flops, under ceilings that are kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from fused_kernels import OPS
from workbench.bench.progress import SuiteProgress
from workbench.bench.rooflines import kept as kept_ceilings
from workbench.bench.rooflines.ceilings import Bandwidth, Ceilings
from workbench.bench.rooflines.kept import ceilings
from workbench.bench.rooflines.roofline import Roofline
from workbench.errors import InputError

from .sweeps import crossing_at, made_up

CEILINGS = Ceilings(
    threads=2,
    bandwidths=(
        *(Bandwidth(kind, "L1", 100_000, 50_000, 8e11) for kind in ("read", "scale")),
        *(Bandwidth(kind, "L2", 2_000_000, 1_000_000, 4e11) for kind in ("read", "scale")),
        *(Bandwidth(kind, "DRAM", None, 10**8, 4e10) for kind in ("read", "scale", "stream")),
    ),
    flops={"float32": 5e11, "float64": 2.5e11},
    curve=(Bandwidth("scale", "DRAM", None, 3_000_000, 2e11), Bandwidth("scale", "DRAM", None, 10**8, 3e10)),
)
QUICK: dict[str, Any] = {"budget": 0, "ceilings": CEILINGS}


@pytest.fixture(scope="module")
def found() -> Roofline:
    return wb.roofline(["scale", "matmul", "sum_of_squares"], **QUICK)


def test_operations_are_placed_by_their_own_bytes_and_flops(found: Roofline) -> None:
    assert [point.op for point in found.points[::2]] == ["scale", "matmul", "sum_of_squares"]
    assert {point.contender for point in found.points} == {"numba", "numpy"}
    for point in found.points:
        op = OPS[point.op]
        cost = op.cost(**op.sample(point.shape, np.dtype(point.dtype), np.random.default_rng(0)))
        assert (point.nbytes, point.flops, point.shape) == (cost.nbytes, cost.flops, op.shapes[0])
        assert point.intensity == cost.flops / cost.nbytes
        assert point.rate == cost.flops / point.seconds
        assert point.least == CEILINGS.seconds(cost, point.dtype)
        assert point.share == point.least / point.seconds
        assert point.low <= point.seconds <= point.high
    assert [point.bound for point in found.points[::2]] == ["DRAM", "arithmetic", "L2"]


def test_a_roofline_survives_json_and_is_a_table(found: Roofline, tmp_path: Path) -> None:
    assert Roofline.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    table = found.to_pandas()
    assert table["share"].to_list() == [point.share for point in found.points]
    found.to_csv(tmp_path / "roofline.csv")
    assert pd.read_csv(tmp_path / "roofline.csv")["flops"].to_list() == table["flops"].to_list()


def test_a_roofline_in_words(found: Roofline) -> None:
    text = repr(found)
    assert " reaches " in text.splitlines()[0]
    assert text.count("matmul  ") == 2
    assert "Ceilings of 2 threads" in text


def test_ceilings_that_are_too_low_are_doubted(found: Roofline) -> None:
    low = replace(found, points=tuple(replace(point, least=2 * point.seconds) for point in found.points))
    assert "the ceilings were measured too low; wb.roofline(fresh=True)" in repr(low)
    disturbed = replace(found, ceilings=replace(CEILINGS, disturbed=True))
    assert "Other programs ran while the ceilings were measured" in repr(disturbed)


def test_a_sweep_has_a_roofline() -> None:
    found = made_up(crossing_at(700), dtypes=("float32", "float64")).roofline(ceilings=CEILINGS)
    assert len(found.points) == 2 * 2 * 9
    assert {point.intensity for point in found.points} == {10 / 8}
    assert found.dtypes == ["float32", "float64"]


def test_the_curve_counts_where_a_cache_holds_a_part() -> None:
    assert CEILINGS.bandwidth(2_500_000) == 2e11
    assert CEILINGS.bandwidth(50_000_000) == 4e10
    assert CEILINGS.bandwidth(1_000_000) == 4e11


def test_progress_says_what_is_going_on() -> None:
    steps: list[SuiteProgress] = []
    wb.roofline("scale", progress=steps.append, shape=(64,), **QUICK)
    assert steps[0].what == "ceilings of this machine"
    assert any("scale float32: " in step.what for step in steps)


@pytest.mark.parametrize(
    ("ops", "options", "words"),
    [
        ("softmx", {}, "Did you mean 'softmax'"),
        (["scale"], {"dtype": "int7"}, "int7"),
        ("scale", {"shape": "no"}, "is no shape"),
    ],
)
def test_what_has_no_roofline_is_said(ops: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        wb.roofline(ops, **QUICK, **options)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Ceilings]:
    """Let the list's ceilings be measured, in their order, and keep them in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept_ceilings, "cache_folder", lambda: tmp_path / "fusion-workbench")
    left: list[Ceilings] = []

    def work(task: str, options: Any) -> Iterator[dict[str, Any]]:
        yield {"ceilings": left.pop(0).to_dict()}

    monkeypatch.setattr(kept_ceilings, "work_in_child", work)
    return left


def test_ceilings_are_measured_once_and_kept(measured: list[Ceilings]) -> None:
    measured += [CEILINGS, replace(CEILINGS, threads=3)]
    assert ceilings() == ceilings() == CEILINGS
    assert ceilings(fresh=True).threads == 3
    assert ceilings().threads == 3
    assert not measured


def test_disturbed_ceilings_are_measured_again_and_the_higher_ones_kept(measured: list[Ceilings]) -> None:
    low = replace(CEILINGS, flops={"float32": 1.0, "float64": 9e11}, disturbed=True)
    measured += [low, CEILINGS]
    assert ceilings() == low
    best = ceilings()
    assert best.flops == {"float32": 5e11, "float64": 9e11}
    assert not best.disturbed
    assert ceilings() == best


@pytest.mark.parametrize("change", ["age", "libraries", "garbage", "version"])
def test_stale_ceilings_are_measured_again(measured: list[Ceilings], tmp_path: Path, change: str) -> None:
    measured += [CEILINGS, replace(CEILINGS, threads=5)]
    ceilings()
    (path,) = (tmp_path / "fusion-workbench" / "ceilings").glob("*.json")
    record = json.loads(path.read_text())
    new = {
        "age": {"when": record["when"] - 32 * 86_400},
        "libraries": {"libraries": {"numba": "0"}},
        "version": {"version": 0},
        "garbage": {},
    }
    path.write_text("not JSON" if change == "garbage" else json.dumps(record | new[change]))
    assert ceilings().threads == 5


def test_where_nothing_can_be_kept_the_ceilings_are_measured_each_time(
    measured: list[Ceilings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_ceilings, "cache_folder", lambda: Path("/dev/null/nowhere"))
    measured += [CEILINGS, CEILINGS]
    assert ceilings() == ceilings() == CEILINGS
    assert not measured


def test_two_processes_measure_once(tmp_path: Path) -> None:
    code = f"""
import json, sys
from pathlib import Path
from workbench.bench.rooflines import kept as kept_ceilings
folder = Path({str(tmp_path)!r})
kept_ceilings.cache_folder = lambda: folder
def work(task, options):
    with (folder / "measured").open("a") as log:
        log.write("x")
    sys.stdin.readline()
    yield {{"ceilings": json.loads((folder / "ceilings.txt").read_text())}}
kept_ceilings.work_in_child = work
print("ready", flush=True)
print(kept_ceilings.ceilings().threads, flush=True)
"""
    (tmp_path / "ceilings.txt").write_text(json.dumps(CEILINGS.to_dict()))
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    answers = [one.communicate(timeout=60)[0].strip() for one in both]
    assert answers == ["2", "2"]
    assert (tmp_path / "measured").read_text() == "x"


def test_the_cache_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if os.name == "posix" and sys.platform != "darwin":
        assert kept_ceilings.cache_folder() == tmp_path / "fusion-workbench"
    assert kept_ceilings.cache_folder().name == "fusion-workbench"
