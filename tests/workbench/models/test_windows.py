"""Statistics by memory map while a lease is held: the same numbers as by copying, and no end of the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from workbench.errors import LoadError
from workbench.models.content import Content
from workbench.models.stats import scanned_stats

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")

COUNT = 5_000_001


@pytest.fixture
def path(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).standard_normal(COUNT).astype(np.float32)
    header = json.dumps({"w": {"dtype": "F32", "shape": [COUNT], "data_offsets": [0, 4 * COUNT]}}).encode()
    header += b" " * (-len(header) % 8)
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    return path


@contextmanager
def windows_of(path: Path) -> Iterator[object]:
    from workbench.models.windows import Windows

    descriptor = os.open(path, os.O_RDONLY)
    windows = Windows(descriptor, path.stat().st_size)
    try:
        yield windows
    finally:
        windows.close()
        os.close(descriptor)


def may_lease(path: Path) -> bool:
    with windows_of(path) as windows:
        return windows.get(100, 1000) is not None  # type: ignore[attr-defined]


def test_windows_have_the_bytes_of_the_file_and_none_of_a_file_that_somebody_writes_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.models.windows._MOST_NANOSECONDS", 1e9)  # however the file lies in memory
    if not may_lease(path):
        pytest.skip("this file system has no leases")
    with windows_of(path) as windows:
        for start, nbytes in ((0, 1), (4095, 2), (1_000_001, 3_000_000), (path.stat().st_size - 5, 5)):
            assert windows.get(start, nbytes).tobytes() == path.read_bytes()[start : start + nbytes]  # type: ignore[attr-defined]
    with path.open("r+b"):
        assert not may_lease(path)
    assert may_lease(path)


def test_mapped_and_copied_give_the_same_numbers(path: Path) -> None:
    values = np.fromfile(path, np.float32, offset=path.stat().st_size - 4 * COUNT)
    mapped = wb.load(path).tensors["w"].stats()
    with path.open("r+b"):
        copied = wb.load(path).tensors["w"].stats()
    assert mapped == copied == wb.load(path.read_bytes()).tensors["w"].stats()
    assert (mapped.minimum, mapped.maximum, mapped.zeros) == (values.min(), values.max(), 0)
    assert abs(mapped.mean - values.mean(dtype=np.float64)) < 1e-6


SHORTEN = "import os, sys; os.truncate(sys.argv[1], 100_000); print('cut')"


def test_a_file_that_is_cut_short_amid_the_reading_is_an_error_and_not_the_end(path: Path) -> None:
    content, cutting = Content(str(path), path), []

    @contextmanager
    def scan() -> Iterator[object]:
        with content.scan_elements(path.stat().st_size - 4 * COUNT, "float32") as read:

            def reading(first: int, last: int) -> Iterator[np.ndarray]:
                for part in read(first, last):
                    if not cutting:
                        arguments = [sys.executable, "-I", "-S", "-c", SHORTEN, str(path)]
                        cutting.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
                        if may_hold:
                            with pytest.raises(subprocess.TimeoutExpired):  # it waits for us
                                cutting[0].wait(0.5)
                        else:
                            cutting[0].wait()
                    yield part

            yield reading

    may_hold = may_lease(path)
    with pytest.raises(LoadError, match="shorter than it was"):
        for _ in range(50):  # the rest of it may have been read before the other comes
            scanned_stats(scan, COUNT, "float32")  # type: ignore[arg-type]
    assert cutting[0].communicate()[0] == "cut\n"
