"""A bridge for each test, and the mark of what needs a GPU."""

from __future__ import annotations

import pytest

import workbench as wb


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: needs an NVIDIA GPU, a torch with CUDA and CuPy")


@pytest.fixture
def bridge() -> wb.TorchBridge:
    return wb.TorchBridge()
