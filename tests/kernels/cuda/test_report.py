"""The report that a machine with a GPU is asked for: its contract holds on the emulated card, and finds errors."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("report_of_the_gpu", HERE / "report.py")
    module = importlib.util.module_from_spec(spec)
    before = sys.path.copy()
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


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


def test_without_a_gpu_it_says_so() -> None:
    done = subprocess.run([sys.executable, HERE / "report.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "There is no GPU that torch or CuPy can see.\n")
