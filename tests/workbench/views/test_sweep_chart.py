"""Charts and cards of sweeps and rooflines: the numbers are drawn, axes have units, and names are never markup."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from workbench.bench.rooflines.ceilings import Bandwidth, Ceilings
from workbench.bench.sweeps.swept import Stop, Sweep
from workbench.views import log_axes, theme
from workbench.views.races import sweep_card, sweep_chart

from ..bench.sweeps import SIZES, crossing_at, made_up  # noqa: TID252

CEILINGS = Ceilings(
    2,
    tuple(
        Bandwidth("scale", level, size, 1, rate) for level, size, rate in [("L1", 10**5, 9e11), ("DRAM", None, 4e10)]
    ),
    {"float32": 5e11, "float64": 2e11},
)
STOP = Stop("numpy", "float32", 65_536, (65_536,), "one call would take about 2.00 s")


@pytest.fixture(scope="module")
def swept() -> Sweep:
    return made_up({**crossing_at(700), "torch": lambda n: 3e-6}, stops=[STOP])


def line(figure: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in figure.data if trace.name == name)


def test_time_over_size_draws_medians_with_their_intervals(swept: Sweep) -> None:
    figure = swept.plot()
    numba = line(figure, "numba")
    assert list(numba.x) == list(SIZES)
    results = [race["numba"] for race in swept.races]
    assert list(numba.y) == [result.median for result in results]
    tops = np.array(numba.y) + np.array(numba.error_y.array)
    assert tops == pytest.approx([result.interval[1] for result in results])
    assert numba.line.color == theme.CONTENDER_COLOURS["numba"]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert figure.layout.xaxis.title.text == "elements (log)"
    assert "median time per call (log)" in figure.layout.yaxis.title.text
    assert "1 µs" in figure.layout.yaxis.ticktext
    assert "1 k" in figure.layout.xaxis.ticktext


def test_names_stand_at_the_ends_of_the_lines(swept: Sweep) -> None:
    labels = line(swept.plot(), "labels")
    assert [re.sub("<.*?>", "", text).strip() for text in labels.text] == ["numba", "NumPy stopped", "torch"]
    assert list(labels.x) == [SIZES[-1], 16_384, SIZES[-1]]
    assert not swept.plot().layout.showlegend


def test_the_crossover_is_marked_with_its_interval(swept: Sweep) -> None:
    figure, one = swept.plot(), swept.crossovers[0]
    band, hair = figure.layout.shapes
    assert (band.x0, band.x1, hair.x0) == (one.low, one.high, one.size)
    (mark,) = figure.layout.annotations
    assert mark.x == pytest.approx(np.log10(one.size))
    assert mark.text == f"even at {swept.axis.words(one.size)}"


def test_the_answer_stands_above_or_is_left_to_the_panel(swept: Sweep) -> None:
    assert "use NumPy; from there on numba" in swept.plot().layout.title.text.replace("<br>", " ")
    assert sweep_chart.times(swept, title=False).layout.title.text is None


def test_speedups_are_over_the_base_and_hollow_where_nothing_is_told_apart() -> None:
    noisy = made_up({"numba": lambda n: 1e-6, "numpy": lambda n: 1e-6 * (1 if n < 500 else 4)}, spread=0.2)
    figure = noisy.plot_speedup()
    ratios = [race.speedup("numba", over="numpy") for race in noisy.races]
    numba = line(figure, "numba")
    assert list(numba.y) == [ratio.value for ratio in ratios]
    assert ["open" not in symbol for symbol in numba.marker.symbol] == [ratio.decided for ratio in ratios]
    assert not all(ratio.decided for ratio in ratios)
    assert "NumPy" in figure.layout.yaxis.title.text
    assert "2\N{MULTIPLICATION SIGN}" in figure.layout.yaxis.ticktext
    assert [trace.name for trace in figure.data] == ["numba", "labels"]


def test_each_dtype_has_its_lines() -> None:
    both = made_up(crossing_at(700), dtypes=("float32", "float64"))
    figure = both.plot()
    assert [trace.name for trace in figure.data[:-1]] == [
        "numba float32",
        "numpy float32",
        "numba float64",
        "numpy float64",
    ]
    assert line(figure, "numba float32").line.dash != line(figure, "numba float64").line.dash
    assert len(figure.layout.annotations) == len(both.crossovers)


def test_a_sweep_that_has_not_begun_says_so() -> None:
    empty = replace(made_up(crossing_at(700)), points=(), planned=9)
    assert "Nothing has been measured yet." in empty.plot().layout.annotations[0].text
    assert "Nothing has been measured yet." in empty._repr_html_()
    one = replace(made_up(crossing_at(700)), points=made_up(crossing_at(700)).points[:1])
    assert list(line(one.plot(), "numba").x) == [16.0]


def test_names_are_never_markup() -> None:
    evil = made_up({"<b>mine</b>": lambda n: 1e-6, "theirs<script>": lambda n: 1e-6 * n})
    assert "<b>mine" not in " ".join(line(evil.plot(), "labels").text)
    assert "<script" not in evil._repr_html_()


def test_labels_stay_apart() -> None:
    places = log_axes.apart([0.0, 0.1, 0.2, 3.0], 1.0)
    assert np.diff(places).min() == pytest.approx(1.0)
    assert places[3] == 3.0
    assert log_axes.apart([2.0, 0.0], 1.0) == [2.0, 0.0]
    assert log_axes.apart([], 1.0) == []


def test_a_roofline_draws_a_roof_for_each_level_and_names_the_points(swept: Sweep) -> None:
    found = swept.roofline(ceilings=CEILINGS)
    figure = found.plot()
    slope = line(figure, "DRAM")
    assert slope.y[0] / slope.x[0] == pytest.approx(4e10)
    assert slope.y[1] == pytest.approx(5e11)
    assert list(line(figure, "fma in float32").y) == [5e11, 5e11]
    mine = [point for point in found.points if point.contender == "numba"]
    assert list(line(figure, "numba").x) == [point.intensity for point in mine]
    assert list(line(figure, "numba").y) == [point.rate for point in mine]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert "per byte" in figure.layout.xaxis.title.text
    words = [note.text for note in figure.layout.annotations]
    assert "L1 900 GB/s" in words
    assert "1,048,576" in words


def test_operations_at_the_same_place_share_a_name(swept: Sweep) -> None:
    found = swept.roofline(ceilings=CEILINGS)
    one, *_, far = (point for point in found.points if point.contender == "numba")
    points = (one, replace(one, op="twin"), replace(far, op="other"))
    words = [note.text for note in replace(found, points=points).plot().layout.annotations]
    assert f"{one.op}, twin" in words
    assert "other" in words


def test_names_at_the_ends_stay_inside_the_frame() -> None:
    steep = made_up({f"f{at}": lambda n, at=at: 1e-6 * n * (1 + at / 500) for at in range(6)})
    for figure in (steep.plot(), steep.plot_speedup()):
        heights = np.log10(line(figure, "labels").y)
        low, high = figure.layout.yaxis.range
        assert low < heights.min()
        assert heights.max() < high
        assert np.diff(np.sort(heights)).min() > 0


def test_cards_are_readable_without_scripts(swept: Sweep) -> None:
    roofline = swept.roofline(ceilings=CEILINGS)
    for card in (swept._repr_html_(), roofline._repr_html_()):
        assert "<script" not in card
        assert "http" not in card
        assert card.count("<table") == card.count("</table>") > 0
    card = sweep_card.sweep(swept)
    assert swept.recommendation[:40] in card
    assert card.count("<polyline") == 3
    assert "NumPy stopped before 65,536" in card
    assert "share of the ceiling" in sweep_card.roofline(roofline)
