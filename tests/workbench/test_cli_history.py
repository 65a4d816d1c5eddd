"""Races that are recorded from the command line, and compared with what was recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import workbench as wb
from workbench.bench.race import Race
from workbench.bench.suites.suite import Suite
from workbench.cli import app
from workbench.cli.bench import REGRESSION

BENCH = ["bench", "softmax", "--shape", "8x64", "--contenders", "numpy,numba", "--budget", "0", "--in-process"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HISTORY", str(tmp_path / "history.sqlite"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def words(*arguments: str, code: int = 0) -> str:
    done = call(*arguments)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def race() -> Race:
    return wb.compare("softmax", shape=(8, 64), contenders=["numpy", "numba"], budget=0)


def faster(race: Race, factor: float, contender: str = "numba") -> Race:
    """Return the record of a race in which one contender was faster."""
    results = tuple(
        replace(r, seconds=tuple(np.asarray(r.seconds) / factor)) if r.contender == contender else r
        for r in race.results
    )
    return replace(race, results=results)


def test_a_race_is_recorded_and_shown_again() -> None:
    assert "0 runs of this machine. race.save() and `workbench bench OP --record`" in words("history")
    assert "Recorded as run 1" in words(*BENCH, "--record")
    assert "Recorded as run 2" in words(*BENCH, "--record")
    listed = words("history")
    assert listed.startswith("2 runs of this machine.")
    assert "softmax 8 x 64 float32, out=" in listed
    assert words("history", "list", "--last", "1", "--contender", "numba").startswith("1 run of this machine.")
    assert words("history", "list", "scale").startswith("0 runs")
    assert wb.history()[2].verdict in words("history", "show", "2")
    assert Race.from_json(words("history", "show", "2", "--json")) == wb.history()[2]
    assert words("history", "delete", "1") == "Deleted 1.\n"
    assert [run.id for run in wb.history()] == [2]


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    assert "There is no earlier run of softmax" in words(*BENCH, "--against", "LAST", code=1)
    assert "this one is the first" in words(*BENCH, "--against", "LAST", "--record")
    assert len(wb.history()) == 1


@pytest.mark.parametrize("name", ["LAST", "1", "before.json"])
def test_a_regression_has_an_exit_code_and_is_said(race: Race, here: Path, name: str) -> None:
    before = faster(race, 1000)
    before.to_json(here / "before.json")
    before.save()
    told = words(*BENCH, "--against", name, "--record", code=REGRESSION)
    assert "numba got worse." in told
    assert "times as slow" in told
    assert "beside NumPy" in told
    assert "the allowed 5 %" in told
    assert len(wb.history()) == 2, "it is recorded all the same"
    told = words(*BENCH, "--against", name, "--allow", "1000000%")
    assert "got worse" not in told


def test_what_got_faster_is_no_regression(race: Race, here: Path) -> None:
    faster(race, 1e-3).to_json(here / "before.json")
    told = words(*BENCH, "--against", "before.json", "--allow", "900%")
    assert "got worse" not in told
    assert "numba got faster" in told


def test_json_stays_json_beside_a_comparison(race: Race, here: Path) -> None:
    race.to_json(here / "before.json")
    done = call(*BENCH, "--against", "before.json", "--allow", "100000%", "--json", "--record")
    assert done.exit_code == 0
    assert Race.from_json(done.stdout) == wb.history()[1]
    assert "Against before.json" in done.stderr


def test_another_question_and_another_machine_are_said(race: Race, here: Path) -> None:
    replace(race, dtype="float64").to_json(here / "before.json")
    assert "Only the same question can be compared" in words(*BENCH, "--against", "before.json", code=1)
    other = race.environment | {"cpu": "a slide rule", "libraries": {"numpy": "1"}}
    replace(race, environment=other).to_json(here / "before.json")
    told = words(*BENCH, "--against", "before.json", "--allow", "100000%")
    assert "Another machine: " in told
    assert "a slide rule" in told
    assert "numpy 1 \N{RIGHTWARDS ARROW} 2" in told


def test_the_history_is_exported_and_imported(race: Race, here: Path) -> None:
    race.save()
    faster(race, 2).save()
    for name in ("runs.csv", "runs.parquet", "runs.html", "runs.json"):
        assert f"Wrote 2 runs into {name}" in words("history", "export", name)
        assert (here / name).stat().st_size
    wb.history().delete(1, 2)
    assert words("history", "import", "runs.json") == "softmax: run 3\nsoftmax: run 4\n"
    assert wb.history()[3] == race


def test_a_suite_is_recorded_and_compared(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.bench.suites.plans import PLANS

    plan = PLANS["quick"]
    monkeypatch.setitem(PLANS, "quick", replace(plan, cells=lambda op: plan.cells(op)[1:]))
    quick = ["bench", "--suite", "quick", "scale", "softmax", "--contenders", "numpy,numba", "--budget", "0"]
    told = words(*quick, "--record", "--save", "suite.json", "--report", "suite.html", "--against", "LAST")
    assert "Recorded as runs 1 to 2" in told
    assert "2 of 2 cells" in told
    kept = Suite.from_dict(json.loads((here / "suite.json").read_text()))
    assert [race.op for race in (wb.history()[1], wb.history()[2])] == [cell.op for cell in kept.cells]
    slow = {
        "cells": [
            {**cell, "race": cell["race"] and faster(Race.from_dict(cell["race"]), 1000).to_dict()}
            for cell in kept.to_dict()["cells"]
        ]
    }
    (here / "before.json").write_text(json.dumps(kept.to_dict() | slow))
    told = words(*quick, "--load", "suite.json", "--against", "before.json", code=REGRESSION)
    assert "2 of 2 races compared; in 2 of them something got worse." in told
    assert "scale [8, 64] float32, against before.json: numba got slower: " in told
    assert "scale" in words("history", "import", "suite.json")


@pytest.mark.parametrize("report", ["nowhere/report.html", "."])
def test_a_report_that_cannot_be_written_is_told_before_the_races(here: Path, report: str) -> None:
    told = words("bench", "no_such_operation", "--report", report, code=1)
    assert f"{Path(report)} cannot be written" in told
    assert not list(here.iterdir())


def test_a_report_comes_after_the_record(race: Race, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raced(*_: object, **__: object) -> Race:
        (here / "reports").rmdir()
        return race

    monkeypatch.setattr("workbench.bench.compare.compare", raced)
    (here / "reports").mkdir()
    told = words(*BENCH, "--record", "--report", "reports/report.html", code=1)
    assert "report.html cannot be written: No such file" in told
    assert wb.history()[1] == race


def test_a_locked_history_does_not_cost_the_race(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "history.sqlite").write_text("no database at all, but long enough to be read as one" * 100)
    told = words(*BENCH, "--record", code=1)
    assert "numba" in told
    assert "is damaged" in told
    (kept,) = here.glob("race-*.json")
    assert Race.from_json(kept).op == "softmax"
