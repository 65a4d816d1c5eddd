"""What docs/ring.md says is true: its examples run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb

from ..kernels.cuda.emulated_driver import Machine  # noqa: TID252

DOCUMENT = Path(__file__).parents[2] / "docs" / "ring.md"


BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def test_the_examples_run_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    *blocks, of_a_gpu = BLOCKS
    assert len(blocks) == 2
    assert "cuda" in of_a_gpu
    names: dict[str, Any] = {"__name__": "ring"}
    for block in blocks:
        exec(compile(block, DOCUMENT.name, "exec"), names)
    assert capsys.readouterr().out.splitlines()[-1].endswith("(1, 3)")
    names["runtime"].shutdown()


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile kernels for the CPU with")
def test_the_example_of_a_gpu_runs_on_an_emulated_one(tmp_path: Path) -> None:
    names: dict[str, Any] = {"wb": wb, "x": np.zeros((2, 4))}
    with Machine(tmp_path).in_place():
        exec(compile(BLOCKS[-1], DOCUMENT.name, "exec"), names)
    assert names["softmax"].metrics.answered == 1
