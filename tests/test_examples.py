"""The examples in docstrings and in README.md run and are true."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import fused_kernels as fk

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "workbench").rglob("*.py"), *(ROOT / "kernels" / "fused_kernels").rglob("*.py")]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("kernels.").removesuffix(".__init__")
    for path in SOURCES
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert attempted
    assert not failed, "the report stands above"


def test_readme_examples() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    try:
        for block in blocks:
            exec(compile(block, "README.md", "exec"), {"__name__": "README"})
    finally:
        fk.OPS.remove("mish")
