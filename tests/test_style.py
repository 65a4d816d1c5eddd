"""Lint, format and types, as tests: one command runs everything, each of it once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", ["mypy", "ruff check --quiet", "ruff format --check"])
def test_finds_nothing(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{command}:\n{done.stdout}{done.stderr}", pytrace=False)
