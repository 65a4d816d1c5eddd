"""Models that several tests look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.models import samples


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.tiny_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture
def own(bert: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    shutil.copytree(bert, tmp_path / "own")
    return tmp_path / "own"
