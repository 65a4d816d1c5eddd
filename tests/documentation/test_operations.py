"""docs/operations.md is what the catalogue says."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_the_page_of_the_operations_is_that_of_the_catalogue() -> None:
    written = runpy.run_path(str(Path(__file__).with_name("operations.py")))
    assert written["PAGE"].read_text(encoding="utf-8") == written["page"](), "write it anew: make docs"
