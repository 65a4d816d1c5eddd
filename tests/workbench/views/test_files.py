"""The numbers of a race, a sweep and a roofline as files, asked for as the browser asks."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from workbench.bench import environment
from workbench.bench.race import Race
from workbench.views.files import Files, file_name
from workbench.views.races.race_panel import RaceView
from workbench.views.races.report import report

from ..bench.sweeps import crossing_at, made_up  # noqa: TID252


@pytest.fixture
def race(make_race: Callable[..., Race]) -> Race:
    return make_race({"numba": 31e-6, "numpy": 502e-6})


def ask(files: Files, kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[bytes]]:
    """Send what a click on a button sends, and return the answer."""
    sent: list[Any] = []
    monkeypatch.setattr(files, "send", lambda message, buffers=(): sent.append((message, list(buffers))))
    files._handle_custom_msg({"kind": kind}, [])
    (answer,) = sent
    return answer


def test_a_click_brings_csv_and_parquet(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    files = RaceView(race).files
    message, (data,) = ask(files, "csv", monkeypatch)
    assert message == {"name": "layer_norm-512-x-768-float32.csv"}
    frame = pd.read_csv(io.BytesIO(data))
    assert list(frame["contender"]) == ["numba", "numpy"]
    assert list(frame["median"]) == pytest.approx(list(race.to_pandas()["median"]))
    message, (data,) = ask(files, "parquet", monkeypatch)
    assert message["name"].endswith(".parquet")
    assert data[:4] == data[-4:] == b"PAR1"


def test_without_pyarrow_the_button_says_what_is_missing(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "installed", lambda name: name != "pyarrow")
    message, buffers = ask(Files(race, "race"), "parquet", monkeypatch)
    assert "pip install" in message["failed"]
    assert not buffers


def test_a_report_holds_its_numbers_as_files() -> None:
    sweep = made_up(crossing_at(700))
    links = re.findall(r'<a download="([^"]+)" href="data:text/csv;base64,([^"]+)">', report(sweep))
    ((name, data),) = links
    assert name == f"{sweep.op}-over-sizes.csv"
    frame = pd.read_csv(io.BytesIO(base64.b64decode(data)))
    assert list(frame["median"]) == pytest.approx(list(sweep.to_pandas()["median"]))


def test_a_name_is_one_that_every_system_takes() -> None:
    assert file_name("../a:b?", "csv") == "a-b.csv"
    assert file_name("", "parquet") == "numbers.parquet"
