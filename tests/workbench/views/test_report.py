"""A report is one file: it opens without a network, and its numbers are there without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from workbench.bench.environment import environment
from workbench.bench.race import Race
from workbench.bench.suites.plans import HEADLINES
from workbench.bench.suites.suite import Cell, Start, Suite
from workbench.errors import InputError
from workbench.text import format_seconds
from workbench.views.races import suite_chart
from workbench.views.races.report import report, write_report

from ..bench.sweeps import crossing_at, made_up  # noqa: TID252
from .test_sweep_chart import CEILINGS

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
    medians = [format_seconds(result.median).replace(" ", "\N{NO-BREAK SPACE}") for result in race.results]
    assert all(median in shown for median in medians)
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
    suite = Suite((*cells, failed), (Start("softmax", 1.5, 0.2),), planned=4, name="quick")
    shown = check(report(suite))
    assert "3 of 4 cells" in shown
    assert all(f"<h2>{op}</h2>" in shown for op in ("layer_norm", "softmax", "scale"))
    assert '<b class="fw-loss">0.50' in shown
    assert "No race of scale 8 x 64 float32, out=: no memory" in shown
    assert "First and second start" in shown
    assert 'download="suite-quick.csv"' in shown
    frame = suite.to_pandas()
    assert list(frame["op"]) == ["layer_norm"] * 3 + ["softmax"] * 3 + ["scale"]
    assert list(frame["fault"])[-1] == "no memory"


def test_of_a_history(make_race: MakeRace, tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for median in (1e-6, 2e-6):
        make_race({"numba": median, "numpy": 1e-4}).save(path)
    shown = check(report(wb.history(machine="all", path=path)))
    assert "2 runs of all machines" in shown


def test_of_a_sweep() -> None:
    sweep = made_up(crossing_at(700))
    shown = check(report(sweep))
    assert "use NumPy; from there on numba" in shown
    assert shown.count('class="fw-figure"') == 2
    assert "<polyline" in shown, "the lines are there without scripts, too"
    assert all(format_seconds(race["numba"].median).replace(" ", "\N{NO-BREAK SPACE}") in shown for race in sweep.races)


def test_of_a_roofline() -> None:
    shown = check(report(made_up(crossing_at(700)).roofline(ceilings=CEILINGS)))
    assert " reaches " in shown
    assert "L1 900 GB/s" in shown
    assert "bound by" in shown


def test_a_chart_is_as_wide_as_the_page_that_it_is_printed_on(make_race: MakeRace) -> None:
    page = report(make_race({"numba": 31e-6, "numpy": 502e-6}))
    assert 'addEventListener("beforeprint"' in page
    assert "print-color-adjust: exact" in page


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
