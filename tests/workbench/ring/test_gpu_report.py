"""The part of ``make gpu`` that times ring kernels: it runs on the emulated GPU, and needs no library but NumPy."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.ring.cuda import round_trips

from ...kernels.cuda.emulated_driver import Machine  # noqa: TID252

SCRIPT = Path(__file__).with_name("gpu_report.py")


def test_it_times_each_way_of_each_message(gpu: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("gpu_report", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    report = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(report)
    numbers = round_trips.questions()[round_trips.NUMBERS]
    monkeypatch.setattr(round_trips, "questions", lambda: {round_trips.NUMBERS: numbers})
    found = report.rows(rounds=3)
    assert [row["way"] for row in found] == [round_trips.RING, round_trips.LAUNCH, round_trips.GRAPH]
    assert [row["met"] is None for row in found] == [False, True, True]
    assert all(row["seconds"] > 0 and row["over_launch"] > 0 for row in found)
    assert report.table(found).count("\n") == 3


def test_it_needs_no_environment_of_ours() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
import gpu_report, workbench.ring.cuda.pool
files = {{name.partition(".")[0]: getattr(module, "__file__", "") or "" for name, module in sys.modules.items()}}
print(sorted(root for root, file in files.items() if "site-packages" in file and not root.startswith("_")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['numpy']"
