"""The report: what crossed, in order, bounded, as text, HTML and a table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.bridge.report import KEPT


def test_an_empty_report(bridge: wb.TorchBridge) -> None:
    report = bridge.share_report()
    assert repr(report) == "no transfers yet"
    assert "no transfers yet" in report._repr_html_()
    assert len(report) == len(report.to_pandas()) == report.forgotten == 0


def test_each_transfer_is_told(bridge: wb.TorchBridge) -> None:
    tensor = bridge.tensor(b"\x00\x3c" * 6, (2, 3), "float16")
    bridge.to_numpy(tensor)
    bridge.to_bytes(tensor)
    bridge.to_buffer(tensor)
    report = bridge.share_report()
    assert repr(report) == (
        "4 transfers: 24 B shared, 24 B copied\n"
        "  bytes      torch cpu   float16  2 x 3  12 B  copied  "
        "read-only memory, and torch would let it be written to\n"
        "  torch cpu  NumPy       float16  2 x 3  12 B  shared  the same memory\n"
        "  torch cpu  bytes       float16  2 x 3  12 B  copied  bytes own their memory\n"
        "  torch cpu  memoryview  float16  2 x 3  12 B  shared  the same memory"
    )
    table = report.to_pandas()
    assert table.columns.tolist() == ["number", "source", "target", "dtype", "shape", "bytes", "shared", "why"]
    assert table["shared"].tolist() == [False, True, False, True]
    assert table["bytes"].sum() == report.shared_nbytes + report.copied_nbytes == 48
    shown = report._repr_html_()
    assert "<script" not in shown
    for transfer in report:
        assert transfer.why in shown
        assert transfer.target in shown
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.transfers = ()  # type: ignore[misc]


def test_it_keeps_the_last_thousand(bridge: wb.TorchBridge) -> None:
    array = np.zeros(1, np.int8)
    for _ in range(KEPT + 5):
        bridge.to_torch(array)
    report = bridge.share_report()
    assert len(report) == KEPT
    assert report.forgotten == 5
    assert report[-1].number == KEPT + 5
    assert "and 5 before them" in report.heading
    assert len(repr(report).splitlines()) < 30
    assert len(report._repr_html_()) < 50_000


def test_what_a_library_calls_itself_is_escaped(bridge: wb.TorchBridge) -> None:
    odd = type("<b>odd</b>", (), {"__dlpack__": None, "__dlpack_device__": None})
    for name in ("__dlpack__", "__dlpack_device__"):
        setattr(odd, name, lambda self, name=name, **options: getattr(np.zeros(3), name)(**options))
    bridge.to_torch(odd())
    assert bridge.share_report()[0].source == "<b>odd</b>"
    assert "<b>odd" not in bridge.share_report()._repr_html_()


def test_two_bridges_have_two_reports() -> None:
    first, second = wb.TorchBridge(), wb.TorchBridge()
    first.tensor(b"abc")
    assert len(first.share_report()) == 1
    assert not second.share_report()


def test_the_pool_as_text_and_html(bridge: wb.TorchBridge) -> None:
    tensor = bridge.tensor(bytes(2 << 20))
    assert repr(bridge.pool) == (
        "pool: limit 268 MB; blocks 1, 2.10 MB; in use 2.10 MB; pinned 0 B; made 1; reused 0; freed 0; refused 0"
    )
    assert "268 MB" in bridge.pool._repr_html_()
    assert torch.count_nonzero(tensor) == 0
