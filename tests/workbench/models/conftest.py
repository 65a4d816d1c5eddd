"""Models that several tests look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import hypothesis
import pytest

from workbench.models import samples

# No test depends on a measured time: the first call of many loads a library or the compiler.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.tiny_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture
def own(bert: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    shutil.copytree(bert, tmp_path / "own")
    return tmp_path / "own"
