"""The example in docs/models.md is true."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"


def test_the_example_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(compile(block, DOCUMENT.name, "exec"), {"__name__": "models"})
