"""The audit of round trips: every way is there, and says what it is worth."""

from __future__ import annotations

import asyncio
import math

import pytest

import workbench as wb
from workbench.errors import InputError, RaceError
from workbench.ring import audit, trips
from workbench.ring.cuda import layout, round_trips

from ...kernels.cuda.emulated_driver import Machine  # noqa: TID252


def test_an_audit() -> None:
    seen: list[float] = []
    found = wb.bench.ring(rounds=3, progress=lambda step: seen.append(step.fraction))
    assert seen == sorted(seen)
    assert (seen[0], len(set(seen))) == (0, 6)
    assert found.columns == ("way", "a number", "1 MB softmax")
    assert [row[0] for row in found.rows] == [
        *("plain call", "call", 'call, thread="own"', "send, receive", 'send, receive, thread="any"'),
        *("ThreadPoolExecutor.submit().result()", "await acall", 'await acall, thread="any"'),
        "await asyncio.to_thread()",
    ]
    for trip in found.trips:
        assert 0 < trip.low <= trip.seconds <= trip.high < math.inf
    text = repr(found)
    assert text.startswith(f"Round trips to a ring kernel: {sum(bar.met for bar in found.bars)} of 5 bars met\n")
    assert "not timed" in found.gpu
    assert "cuda" in found.gpu
    assert "send, receive" in found._repr_html_()
    assert list(found.to_pandas().columns) == ["message", "way", "seconds", "low", "high"]
    with pytest.raises(InputError, match="rounds"):
        wb.bench.ring(rounds=1)


def test_a_wrong_reply_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(10**9))
    monkeypatch.setattr(trips, "_checksum", lambda number: next(numbers))
    with pytest.raises(RaceError, match="wrong reply"):
        wb.bench.ring(rounds=3)


def test_what_progress_raises_ends_it() -> None:
    class Cancelled(BaseException):
        pass

    def progress(step: object) -> None:
        assert str(step).startswith("0 of 6 · a number")
        raise Cancelled

    with pytest.raises(Cancelled):
        wb.bench.ring(rounds=3, progress=progress)


def test_an_audit_of_a_gpu(gpu: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the emulated GPU, whose times mean nothing; what is timed, and how, is as on a real one."""
    asked = round_trips.questions()
    few = {message: one._replace(x=one.x[:32], right=one.right[:32]) for message, one in asked.items()}
    monkeypatch.setattr(round_trips, "questions", lambda: few)
    monkeypatch.setattr(audit, "questions", list)
    seen: list[float] = []
    found = wb.bench.ring(rounds=3, progress=lambda step: seen.append(step.fraction))
    assert found.columns == ("way", "256 numbers, GPU", "1 MB softmax, GPU")
    assert [row[0] for row in found.rows] == ["send, GPU, reply", "launch, synchronise", "graph replay, synchronise"]
    assert all(0 < trip.low <= trip.seconds <= trip.high < math.inf for trip in found.trips)
    assert len(found.bars) == 1
    assert "a persistent kernel on a card of the tests; each reply's checksum is compared" in found.gpu
    assert len(set(seen)) == 6


def test_a_reply_with_another_checksum_is_found(gpu: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_trips, "checksum", lambda values: layout.checksum(values) + 1)
    with pytest.raises(RaceError, match="another checksum than that of the result"):
        round_trips.timed(round_trips.NUMBERS, 3, 0, lambda number: None)


def test_it_may_be_asked_in_an_event_loop(gpu: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a cell of a notebook."""
    asked = {"few": (3, abs)}
    monkeypatch.setattr(audit, "questions", lambda: [(name, *one) for name, one in asked.items()])
    monkeypatch.setattr(round_trips, "questions", dict)

    async def cell() -> audit.RingAudit:
        return wb.bench.ring(rounds=3)

    assert asyncio.run(cell()).columns == ("way", "few")
