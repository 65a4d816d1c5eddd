"""A report is one file: it opens without a network, and its numbers are there without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import workbench as wb
from workbench.bench.environment import environment
from workbench.bench.race import Race
from workbench.bench.suites.plans import HEADLINES
from workbench.bench.suites.suite import Cell, Start, Suite
from workbench.errors import InputError
from workbench.text import format_seconds
from workbench.views import suite_chart
from workbench.views.report import report, write_report

MakeRace = Callable[..., Race]


def static(page: str) -> str:
    """Return a page without its scripts."""
    return re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)


def check(page: str) -> str:
    """Check what holds for each report, and return its static part."""
    scripts = re.findall(r"<script\b[^>]*>", page)
    assert not any("src=" in script for script in scripts), "nothing is loaded"
    assert page.count("Plotly.newPlot(") >= 1
    assert len(re.findall(r"plotly\.js v\d", page)) == 1, "plotly's own script stands in it once"
    shown = static(page)
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)|url\(|@import""", shown)
    assert "<noscript>" in shown
    assert "prefers-color-scheme: dark" in shown
    assert "@media print" in shown
    return shown


def test_of_a_race(make_race: MakeRace, tmp_path: Path) -> None:
    race = make_race({"numba": 31e-6, "<b>mine</b>": 60e-6, "numpy": 502e-6}, wrong=("<b>mine</b>",))
    write_report(tmp_path / "race.html", race)
    shown = check((tmp_path / "race.html").read_text(encoding="utf-8"))
    assert "numba is 16 times faster than NumPy" in shown
    assert "&lt;b&gt;mine&lt;/b&gt;" in shown
    assert "<b>mine" not in shown
    assert all(format_seconds(result.median) in shown for result in race.results)
    assert "no GPU here" in shown


def test_of_a_suite(make_race: MakeRace) -> None:
    def race(ours: float) -> Race:
        found = make_race({"numba": ours, "numpy": 1e-4, "torch": 2e-5})
        conditions = {**found.conditions, "threads": {"numba": 2}, "method": "in turns", "budget": 1.0}
        return replace(found, conditions=conditions, environment=environment())

    cells = tuple(
        Cell(op, (512, 768), "float32", True, race(ours)) for op, ours in (("layer_norm", 1e-5), ("softmax", 4e-5))
    )
    failed = Cell("scale", (8, 64), "float32", True, failure="no memory")
    shown = check(report(Suite((*cells, failed), (Start("softmax", 1.5, 0.2),), planned=4, name="quick")))
    assert "3 of 4 cells" in shown
    assert all(f"<h2>{op}</h2>" in shown for op in ("layer_norm", "softmax", "scale"))
    assert '<b class="fw-loss">0.50' in shown
    assert "No race of scale 8 x 64 float32, out=: no memory" in shown
    assert "First and second start" in shown


def test_of_a_history(make_race: MakeRace, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for median in (1e-6, 2e-6):
        make_race({"numba": median, "numpy": 1e-4}).save(path)
    shown = check(report(wb.history(machine="all", path=path)))
    assert "2 runs of all machines" in shown


@dataclass(frozen=True)
class Drawn:
    """What draws itself and has a table, as a sweep has."""

    race: Race
    recommendation: str = "Under 700 elements use NumPy."

    def plot(self) -> Any:
        return self.race.plot()

    def to_pandas(self) -> pd.DataFrame:
        return self.race.to_pandas()


def test_of_what_draws_itself_and_has_a_table(make_race: MakeRace) -> None:
    shown = check(report(Drawn(make_race({"numba": 31e-6, "numpy": 502e-6}))))
    assert "Under 700 elements use NumPy." in shown
    assert shown.count("<tr>") == 3


def test_what_has_no_report_is_refused(tmp_path: Path, make_race: MakeRace) -> None:
    with pytest.raises(InputError, match="got int"):
        report(3)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "nowhere" / "race.html", make_race({"numpy": 1.0}))


def test_the_headlines_have_a_chart_of_what_was_said_and_what_is(make_race: MakeRace) -> None:
    cells = tuple(
        replace(line.cell, race=make_race({"numba": 1e-5, "numpy": 1e-4, "polyglot-bridge": 2e-4}))
        for line in HEADLINES
    )
    figure = suite_chart.headlines(Suite(cells, planned=4, name="headlines"))
    dots = {trace.name: list(trace.x) for trace in figure.data}
    assert dots["polyglot-bridge, as it says"] == [1.99, 1.77, 1.38]
    assert dots["polyglot-bridge, here"] == pytest.approx([0.5] * 4, rel=0.05)
    assert dots["ours"] == pytest.approx([10.0] * 4, rel=0.05)
