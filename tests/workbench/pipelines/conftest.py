"""What tests of pipelines share: a folder of their own for what is remembered of checkpoints, and trained models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import generator
from .trained import trained


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that tells good from bad."""
    return trained("classifier", tmp_path_factory)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that finds persons and places."""
    return trained("tagger", tmp_path_factory)


@pytest.fixture(scope="session")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that finds who, when, where, which colour and how much."""
    return trained("finder", tmp_path_factory)


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that goes on with what it has learned."""
    return generator.trained(generator.shared(tmp_path_factory.getbasetemp()))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, which is faster for small models."""
    with generator.one_thread():
        yield
