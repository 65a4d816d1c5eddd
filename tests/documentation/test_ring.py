"""What docs/ring.md says is true: its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "ring.md"


def test_the_examples_run_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {"__name__": "ring"}
    for block in blocks:
        exec(compile(block, DOCUMENT.name, "exec"), names)
    assert capsys.readouterr().out.splitlines()[-1].endswith("(1, 3)")
    names["runtime"].shutdown()
