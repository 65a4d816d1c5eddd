"""A runtime that is shut down at the end of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import workbench as wb


@pytest.fixture
def runtime() -> Iterator[wb.Runtime]:
    with wb.Runtime() as made:
        yield made
