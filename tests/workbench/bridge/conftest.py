"""A bridge for each test."""

from __future__ import annotations

import pytest

import workbench as wb


@pytest.fixture
def bridge() -> wb.TorchBridge:
    return wb.TorchBridge()
