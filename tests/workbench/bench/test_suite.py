"""The suite: real races of a few small cells, and its table from records made up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fused_kernels import OPS
from workbench.bench.progress import SuiteProgress
from workbench.bench.race import Race, Result
from workbench.bench.rooflines.ceilings import Bandwidth, Ceilings
from workbench.bench.suites import losses
from workbench.bench.suites.markdown import short, whole, write_into
from workbench.bench.suites.plans import HEADLINES, PLANS, plan_of
from workbench.bench.suites.run import run
from workbench.bench.suites.suite import Cell, Start, Suite
from workbench.bench.suites.text import suite_text
from workbench.errors import InputError

QUICK: dict[str, Any] = {"contenders": ["numba", "numpy"], "budget": 0}
CEILINGS = Ceilings(
    2, (Bandwidth("scale", "DRAM", None, 1, 1e9), Bandwidth("read", "DRAM", None, 1, 1e9)), {"float32": 1e12}
)


def result(name: str, seconds: float, fault: str = "") -> Result:
    return Result(name, f"{name} 1", (seconds,) * 9, seconds, 0.0, not fault, fault)


def cell(*results: Result, absent: dict[str, str] | None = None, out: bool = True) -> Cell:
    conditions = {
        "cost": {"bytes_read": 500, "bytes_written": 500, "flops": 1},
        "threads": {"numba": 2},
        "method": "in turns",
        "budget": 1.0,
        "out": ["numba"],
        "disturbed": False,
    }
    machine = {"cpu": "a CPU", "cores": 2, "simd": "AVX2", "system": "Linux", "python": "3.11"}
    environment = {**machine, "libraries": {"numpy": "2"}, "settings": "OMP_NUM_THREADS=2"}
    race = Race("scale", (8, 64), "float32", results, absent or {}, conditions, environment)
    return Cell("scale", (8, 64), "float32", out, race)


MADE_UP = Suite(
    cells=(
        cell(result("numba", 2e-6), result("numpy", 1e-6), result("torch", 6e-6), absent={"jax": "not installed"}),
        cell(result("numba", 2e-6), result("torch", 2e-6), absent={"numpy": "did not race, since one call takes 2 s"}),
        cell(
            *(result("numba", 2e-6), result("torch", 1e-6, "changes its input")),
            absent={
                "polyglot-bridge": "polyglot-bridge fails on scale (x: float32 (8, 64)): TypeError: float64 only {}"
            },
            out=False,
        ),
        Cell("scale", (10**9,), "float64", True, failure="no memory"),
    ),
    starts=(Start("scale", 1.5, 0.25),),
    ceilings=CEILINGS,
    planned=6,
)


@pytest.fixture
def few_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of each operation the two cells of 8 x 64."""
    few = replace(PLANS["kernels"], cells=lambda op: [c for c in plan_of(op) if c.shape == (8, 64)][:2])
    monkeypatch.setitem(PLANS, "kernels", few)


@pytest.fixture
def only_races(few_cells: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure neither ceilings nor starts."""
    monkeypatch.setitem(PLANS, "kernels", replace(PLANS["kernels"], limits=False))


def test_the_cells_are_those_of_the_catalogue() -> None:
    cells = plan_of("softmax")
    assert {each.shape for each in cells} == set(OPS["softmax"].shapes)
    assert len(set(cells)) == len(cells) == 4 * len(OPS["softmax"].shapes)
    assert {each.dtype for each in cells} == {"float32", "float64"}


def test_what_is_a_number_has_no_cell_that_writes() -> None:
    assert not any(each.out for each in plan_of("sum_of_squares"))


def test_a_suite_races_each_cell_and_measures_the_starts(few_cells: None) -> None:
    steps: list[SuiteProgress] = []
    *_, found = run("kernels", ["relu", "scale"], progress=steps.append, **QUICK)
    assert [(each.op, each.out) for each in found.cells] == [(op, out) for op in found.ops for out in (True, False)]
    for each in found.cells:
        assert each.race is not None
        assert {r.contender for r in each.race.results if r.right} == {"numba", "numpy"}
        assert each.ratios.keys() == {"numpy"}
        assert 0 < (found.share(each) or 0) < 1
        assert bool(each.race.conditions["out"]) == each.out
    assert [start.op for start in found.starts] == ["relu", "scale"]
    assert all(start.first > 0 < start.second for start in found.starts)
    assert found.ceilings is not None
    assert found.planned == steps[-1].planned == steps[-1].done == 4
    assert "relu 8 x 64 float32, out=" in " ".join(map(str, steps))
    assert Suite.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_suite_that_is_stopped_has_kept_what_is_done(only_races: None) -> None:
    running = run("kernels", ["softmax"], **QUICK)
    found = next(suite for suite in running if suite.cells)
    running.close()
    assert len(found.cells) == 1
    assert not [child for child in psutil.Process().children() if "workbench.bench.worker" in child.cmdline()]


def test_a_crash_costs_one_cell(only_races: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "crashed"
    (tmp_path / "onnxruntime.py").write_text(
        f"import os\nif not os.path.exists({str(mark)!r}):\n    open({str(mark)!r}, 'w')\n    os.abort()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    *_, found = run("kernels", ["softmax"], contenders=["numpy", "onnxruntime"], budget=0)
    first, second = found.cells
    assert "SIGABRT" in first.failure
    assert second.race is not None
    assert second.race["numpy"].right
    assert "onnxruntime" in second.race.absent, "one that fails does not hold up the others"


def test_an_unknown_operation_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match="Did you mean 'softmax'"):
        next(run("kernels", ["softmx"]))


def test_a_slow_contender_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.bench.suites import cells

    monkeypatch.setattr(cells, "PATIENCE", 1e-9)
    (found,) = cells.run(op="scale", cells=[((8, 8), "float32", True, ())], contenders=["numpy"], budget=0)
    assert "one call takes" in str(found)


def test_the_table_marks_losses_and_says_why() -> None:
    assert MADE_UP.cells[0].losses == ["numpy"]
    assert MADE_UP.cells[1].losses == []
    text = suite_text(MADE_UP)
    assert text.startswith("4 of 6 cells; of 3 comparisons ours is faster in 1, slower in 1 and not told apart in 1.")
    row = next(line for line in text.splitlines() if line.startswith("8x64"))
    assert "0.50 [0.50, 0.50] !" in row
    assert "3.00 [3.00, 3.00] " in row
    assert row.endswith("50%"), "a thousand bytes at 1 GB/s are half of 2 microseconds"
    why = losses.reason("scale", "numpy", (8, 64), "float32", True)
    assert why != losses.UNEXPLAINED
    assert f"Loss to NumPy at 8x64 float32 out=: {why}." in text
    assert "one call 2 s" in text
    assert "torch changes its input, at 8x64 float32." in text
    assert "polyglot-bridge does not race in float32: TypeError: float64 only {}" in text
    assert "No race of scale 1000000000 float64, out=: no memory" in text
    assert "JAX: not installed" in text
    assert "after 1.50 s, the next process's after 250 ms" in text


def test_a_loss_without_a_reason_says_so() -> None:
    assert losses.reason("nothing", "numpy", (1,), "float32", True) == losses.UNEXPLAINED


def test_markdown_stands_where_the_marks_are(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Mine\n<!-- suite: short -->\nold\n<!-- suite end -->\nkept\n")
    write_into(page, MADE_UP)
    write_into(page, MADE_UP)
    assert page.read_text() == f"# Mine\n<!-- suite: short -->\n{short(MADE_UP)}<!-- suite end -->\nkept\n"
    new = tmp_path / "new.md"
    write_into(new, MADE_UP)
    assert whole(MADE_UP) in new.read_text()
    page.write_text("# Mine\n")
    with pytest.raises(InputError, match=r"page\.md has no place"):
        write_into(page, MADE_UP)


def test_markdown_of_all_cells() -> None:
    text = whole(MADE_UP)
    assert "| **0.50 [0.50, 0.50]** |" in text
    assert "OMP_NUM_THREADS=2" in text
    assert "- Loss to NumPy at 8x64 float32 out=: " in text
    assert short(MADE_UP).splitlines()[-1].startswith("| scale 8x64 | 2.00 µs | **0.50 [0.50, 0.50]** | 3.00 ")


def test_a_suite_is_data() -> None:
    assert set(PLANS) == {"kernels", "headlines", "quick"}
    for plan in PLANS.values():
        cells = [each for op in plan.ops() for each in plan.cells(op)]
        assert cells
        assert len(set(cells)) == len(cells)
        assert all(each.op in OPS for each in cells)
    assert PLANS["kernels"].ops() == list(OPS)
    with pytest.raises(InputError, match=r"no suite 'headline'. Did you mean 'headlines'"):
        next(run("headline"))
    with pytest.raises(InputError, match="no operation 'gelu' in the suite headlines"):
        next(run("headlines", ["gelu"]))


def test_the_headlines_are_those_of_their_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {line.cell.op: line for line in HEADLINES}
    assert {op: line.claim for op, line in lines.items()} == {
        "layer_norm": 1.99,
        "scale": 1.77,
        "softmax": 1.38,
        "linear": None,
    }
    assert all(line.cell.dtype == "float64" and not line.cell.out for line in HEADLINES)
    *_, found = run("headlines", ["layer_norm"], budget=0)
    (only,) = found.cells
    assert only.race is not None
    assert {result.contender for result in only.race.results if result.right} == {"numba", "numpy", "polyglot-bridge"}
    assert (only.race.shape, only.race.dtype, only.race.conditions["out"]) == ((512, 768), "float64", [])
    assert Suite.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    text = suite_text(found)
    assert "it says: over NumPy" in text
    row = next(line for line in text.splitlines() if line.startswith("Layer Normalization"))
    assert "1.99" in row
    assert "| Layer Normalization | 512x768 | float64 |" in whole(found)


def test_a_suite_of_an_older_version_is_read() -> None:
    record = MADE_UP.to_dict()
    del record["name"]
    for each in record["cells"]:
        del each["without"]
    assert Suite.from_dict(record) == MADE_UP
