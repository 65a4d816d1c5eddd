"""What all tests need: no network, and no browser test that is silently skipped where a build server runs them."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# Before any test imports a library that reads them; the kernels of the notebooks inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"With CI set, browser tests run: {report.longrepr}"
    return report
