"""What all tests need: no network, and no test that is silently skipped for want of a tool that a build server has."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

NEVER_SKIPPED = tuple(Path(__file__).parent / folder for folder in ("browser", "kernels/cuda"))
"""Folders whose tests need a browser, a compiler of C++ or NVIDIA's: `.ci/run` sees to it that all are there."""

# Before any test imports a library that reads them; the kernels of the notebooks inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# No test depends on a measured time: the first call of many loads a library or the compiler. On a build server each run
# tries the same examples, so that what it refuses is what a change broke; elsewhere others are tried each time.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI") and any(map(item.path.is_relative_to, NEVER_SKIPPED)):
        report.outcome = "failed"
        report.longrepr = f"With CI set, this test runs: {report.longrepr}"
    return report
