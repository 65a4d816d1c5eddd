"""What docs/pipelines.md says is true: its examples run, and its tables are those of the rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from workbench.pipelines.verdict import BOUNDS, RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "pipelines.md"


def test_the_examples_run_from_top_to_bottom() -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) > 5
    names: dict[str, Any] = {"__name__": "pipelines"}
    for block in blocks:
        exec(compile(block, DOCUMENT.name, "exec"), names)


def test_the_tables_are_those_of_the_rules() -> None:
    text = DOCUMENT.read_text()
    rows = ["| time | size | answers | worth it | since |", "|---|---|---|---|---|"]
    for rule in RULES:
        kinds = [", ".join(kind) if kind else "any" for kind in (rule.speed, rule.size, rule.likeness)]
        rows.append(f"| {' | '.join(kinds)} | {rule.worth} | {rule.because} |")
    assert "\n".join(rows) in text
    rows = ["| measure | same | close | near |", "|---|---|---|---|"]
    rows += [f"| {name} | {' | '.join(f'{bound:g}' for bound in bounds)} |" for name, bounds in BOUNDS.items()]
    assert "\n".join(rows) in text
