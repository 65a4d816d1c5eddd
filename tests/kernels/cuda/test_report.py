"""The report that a machine with a GPU is asked for: its contract holds on the emulated card, and finds errors."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk
from workbench.bench.environment import gpu
from workbench.bench.race import OnDevice, Race, Result

from .emulated_device import EmulatedDevice

HERE = Path(__file__).parent


def loaded(name: str):
    """Return a module that is a program of its own."""
    spec = importlib.util.spec_from_file_location(f"{name}_of_the_gpu", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    before = sys.path.copy()
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def report():
    return loaded("report")


@pytest.fixture(scope="module")
def bars():
    return loaded("bars")


@pytest.fixture
def device(card, on_card, monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    monkeypatch.setattr("workbench.bench.racing.run.copied", lambda device: 1e9)
    return EmulatedDevice(on_card, card.started)


def test_its_layouts_are_what_they_are_called(card, on_card, report) -> None:
    rows = on_card(np.zeros((31, 1000), np.float32))
    assert {name: view(rows).data.ctypes.data % 16 for name, view in report.LAYOUTS.items()} == {
        "": 0,
        "every second row": 0,
        "not aligned": 4,
    }
    assert report.LAYOUTS["every second row"](rows).data.strides == (8000, 4)


def test_its_contract_holds_on_the_card(card, on_card, report) -> None:
    def make(x: np.ndarray, dtype: str | None):
        return on_card(x.astype(np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)) if dtype else x)

    side = report.Side("emulated", ("float32",), make, lambda x: x.get().astype(np.float64), lambda: None)
    found = list(report.contract(side, small=True))
    assert not [each for each in found if each.failure]
    assert {each.operation for each in found} == set(fk.OPS) - {"tensor_stats"}
    forms = {
        "warp",
        "block",
        "streaming",
        "columns",
        "rows",
        "several blocks",
        "strided",
        "vectors",
        "tokens",
        "library",
    }
    assert {each.form for each in found} == forms
    wrong = side._replace(get=lambda x: x.get().astype(np.float64) * 1.001)
    assert report.check(wrong, "cross_entropy", (8, 64), "float32", {}).failure
    broken = report.check(side, "softmax", (8, 64), "float32", {"axis": 7})
    assert broken.failure.startswith("ShapeError: softmax: axis 7")


def test_what_time_leaves_none_for_is_counted(on_card, report, capsys) -> None:
    side = report.Side("emulated", ("float32",), on_card, lambda x: x.get().astype(np.float64), lambda: None)
    assert report.contracts([side], True, 0.0) == ([], 0)
    assert re.match(r"contract: 0 of 0 cases are right; \d+ NOT REACHED in time", capsys.readouterr().out)


def test_the_bars_are_read_off_races(card, device, bars) -> None:
    cells = [
        bars.Cell("softmax", (6, 40)),
        bars.Cell("softmax", (6, 40), small=True),
        bars.Cell("linear", (6, 40), small=True),
    ]
    found = dict(bars.measured(device, float("inf"), cells, budget=0))
    large, small, refused = found.values()
    assert [large.conditions["cache"], small.conditions["cache"]] == ["cold", "warm"]
    assert [bar.what for bar in bars.judged(cells[0], large)] == ["copy"]
    assert list(bars.judged(cells[1], small)) == [], "there is no torch on a GPU whose launch cost it could be held to"
    assert refused.startswith("InputError: linear races on shapes of mxkxn")
    assert not any(map(bars.wrong, found.values()))
    text = bars.table(found.items())
    assert re.search(r"copy \d+\.\d\d \((reached|MISSED) 0\.9\)", text)
    assert "InputError" in text
    late = list(bars.measured(device, 0.0, cells))
    assert [why for _, why in late] == ["not reached in time"] * 3


def beside(host: float) -> OnDevice:
    return OnDevice((host, host, host), (host, host, host))


def made(op: str, cache: str = "cold", **seconds: float) -> Race:
    """Return a race as it may come out, of 100 MB at 1 TB/s of a copy."""
    results = []
    for place, (name, time) in enumerate(seconds.items()):
        taken = (time, 1.01 * time, 0.99 * time) if place else (time, 0.99 * time, 1.01 * time)
        results.append(Result(name.replace("_", "."), "1", taken, 0.1, 1e-7, True, on_device=beside(time / 10)))
    cost = {"bytes_read": 50_000_000, "bytes_written": 50_000_000, "flops": 0}
    return Race(
        op, (4096, 4096), "float32", tuple(results), {}, {"cost": cost, "copy": 1e12, "l2": 1, "cache": cache}, {}
    )


def test_a_bar_is_reached_unless_its_interval_lies_below(bars) -> None:
    cell = bars.Cell("swiglu", (4096, 4096))
    race = made("swiglu", fused=105e-6, torch=200e-6, torch_compile=104.5e-6, triton=90e-6)
    found = {bar.what: bar for bar in bars.judged(cell, race)}
    assert {name: bar.reached for name, bar in found.items()} == {
        "copy": True,
        "torch": True,
        "torch.compile": True,
        "triton": False,
    }
    assert found["copy"].value == pytest.approx(100 / 105)
    assert found["torch"].asked == 1.5
    assert "triton 0.86 (MISSED 1)" in bars.table([(cell, race)])
    slow = {bar.what: bar.reached for bar in bars.judged(cell, made("swiglu", fused=120e-6, torch=150e-6))}
    assert slow == {"copy": False, "torch": False}
    once = bars.judged(bars.Cell("softmax", (4096, 4096)), made("softmax", fused=105e-6, torch=105e-6))
    assert [bar.what for bar in once] == ["copy"], "torch has a kernel of its own for it"


@pytest.mark.parametrize(("host", "reached"), [(12e-5, True), (14e-5, False)])
def test_the_cost_of_a_launch_is_not_to_be_exceeded(bars, host: float, reached: bool) -> None:
    cell = bars.Cell("softmax", (8, 64), small=True)
    (bar,) = bars.judged(cell, made("softmax", "warm", fused=host, torch=1e-4))
    assert (bar.what, bar.reached) == ("launch", reached)
    assert bar.value == pytest.approx(host / 1e-4)


def test_a_wrong_result_of_ours_fails_and_has_no_bars(bars) -> None:
    cell, race = bars.Cell("softmax", (4096, 4096)), made("softmax", fused=1e-6, torch=1e-6)
    first, second = race.results
    ours = replace(race, results=(replace(first, right=False, fault="is off"), second))
    theirs = replace(race, results=(first, replace(second, right=False, fault="is off")))
    assert (bars.wrong(ours), bars.wrong(theirs), bars.wrong("not reached in time")) == (True, False, False)
    assert not list(bars.judged(cell, ours))
    assert "fused is off" in bars.table([(cell, ours)])


BARE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
sys.path.insert(0, {here!r})
import report, bars, numpy as np
from workbench.bench.compare import compare
assert compare({{"mine": np.exp}}, inputs=(np.ones(9),), rounds=1).to_dict() and len(list(bars.cells())) > 20
sys.argv = ["report.py"]
sys.exit(report.main())
"""


@pytest.mark.skipif(bool(gpu()), reason="there is a GPU here")
def test_without_a_gpu_there_are_no_round_trips_to_one(report, capsys) -> None:
    said, wrong = report.ring()
    assert (wrong, "ring: InputError" in capsys.readouterr().out) == (0, True)
    assert said


@pytest.mark.skipif(bool(gpu()), reason="there is a GPU here")
def test_it_needs_nothing_of_our_environment_but_numpy_and_numba_and_without_a_gpu_says_so(tmp_path: Path) -> None:
    names = ["pandas", "plotly", "ipywidgets", "anywidget", "platformdirs", "rich", "typer", "onnx", "onnxruntime"]
    code = BARE.format(names=[*names, "transformers", "packaging", "filelock", "jax"], here=str(HERE))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "There is no GPU that torch or CuPy can see.\n"), done.stderr
