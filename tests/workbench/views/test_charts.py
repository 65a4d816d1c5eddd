"""Charts: what is drawn are the numbers, axes have units, and names are never markup."""

import re

import numpy as np
import plotly.graph_objects as go
import pytest

from workbench.views import template, theme
from workbench.views.models import charts
from workbench.views.models.window import COLUMNS, ROWS, Place
from workbench.views.races import race_chart


@pytest.fixture(scope="module")
def race(make_race):
    return make_race({"numba": 31e-6, "torch": 157e-6, "numpy": 502e-6})


def test_a_race_draws_medians_with_their_intervals(race):
    figure = race.plot()
    assert isinstance(figure, go.Figure)
    bars = figure.data[0]
    assert list(bars.x) == pytest.approx([1e6 * result.median for result in race.results])
    for at, result in enumerate(race.results):
        low, high = result.interval
        assert bars.x[at] + bars.error_x.array[at] == pytest.approx(1e6 * high)
        assert bars.x[at] - bars.error_x.arrayminus[at] == pytest.approx(1e6 * low)
    assert list(bars.marker.color) == [theme.CONTENDER_COLOURS[result.contender] for result in race.results]
    assert "µs" in figure.layout.xaxis.title.text
    assert figure.layout.xaxis.type == "linear"
    assert figure.layout.yaxis.categoryarray[-1] == "numba"
    assert figure.layout.showlegend is None


def test_a_race_says_who_won_above_or_leaves_it_to_the_panel(race):
    assert race.verdict[:30] in race_chart.race(race).layout.title.text.replace("<br>", " ")
    assert race_chart.race(race, title=False).layout.title.text is None


def test_a_wide_race_has_a_log_axis_that_says_so_with_units_at_the_ticks(make_race):
    figure = make_race({"numba": 2e-6, "numpy": 0.5}).plot()
    assert figure.layout.xaxis.type == "log"
    assert "(log)" in figure.layout.xaxis.title.text
    assert "1 ms" in figure.layout.xaxis.ticktext
    low, high = (10**end for end in figure.layout.xaxis.range)
    assert low < min(figure.data[0].x) < max(figure.data[0].x) < high


def test_words_at_the_bars_say_time_and_ratio(race, make_race):
    words = figure_words(race.plot())
    assert "µs" in words[0]
    assert "\N{MULTIPLICATION SIGN}" not in words[0]
    assert "\N{MULTIPLICATION SIGN}" in words[2]
    tied = make_race({"numba": 1e-6, "torch": 1.001e-6}, spread=0.1)
    assert "no difference" in figure_words(tied.plot())[1]


def figure_words(figure):
    return list(figure.data[1].text)


def test_a_wrong_contender_is_hollow_below_the_others_and_nobody_is_compared_with_it(make_race):
    race = make_race({"cheat": 1e-6, "numba": 31e-6, "numpy": 62e-6}, wrong=("cheat",))
    figure = race.plot()
    assert list(figure.data[0].y) == ["numba", "NumPy", "cheat"]
    assert list(figure.data[0].marker.color)[2] == "rgba(0,0,0,0)"
    assert list(figure.data[0].marker.line.width) == [0, 0, 2]
    words = figure_words(figure)
    assert "\N{MULTIPLICATION SIGN}" not in words[0]
    assert re.search("2.0.\N{MULTIPLICATION SIGN}", words[1])
    assert template.ALARM in words[2]
    assert "wrong result" in words[2]
    assert f'color:{template.ALARM}">cheat computes another result' in figure.layout.title.text


def test_a_contender_has_its_colour_whoever_is_faster(make_race):
    drawn = [make_race({"mine": first, "theirs": 2e-6}).plot().data[0] for first in (1e-6, 3e-6)]
    assert dict(zip(drawn[0].y, drawn[0].marker.color, strict=True)) == dict(
        zip(drawn[1].y, drawn[1].marker.color, strict=True)
    )


def test_contenders_are_never_markup_and_long_names_stay_apart(make_race):
    names = ["<b>mine</b>", "x" * 100 + "1" + "y" * 100, "x" * 100 + "2" + "y" * 100]
    figure = make_race({name: 1e-6 * (at + 1) for at, name in enumerate(names)}).plot()
    assert "&lt;b&gt;mine&lt;/b&gt;" in figure.data[0].y
    assert len(set(figure.data[0].y)) == 3


def test_a_race_without_results_says_so(make_race):
    from dataclasses import replace

    figure = race_chart.race(replace(make_race({"numpy": 1e-6}), results=()))
    assert "No contender" in figure.layout.annotations[0].text


def test_a_histogram_counts_every_finite_value(odd):
    tensor = odd.tensors["special"]
    bars = charts.histogram(tensor).data[0]
    assert int(np.sum(bars.y)) == tensor.size - 14
    assert min(bars.y) > 0
    values = tensor.numpy()
    finite = values[np.isfinite(values)]
    lows, highs = bars.x - bars.width / 2, bars.x + bars.width / 2
    assert lows[0] <= finite.min() <= highs[0]
    assert lows[-1] <= finite.max() <= highs[-1]


def test_a_histogram_names_its_axes_and_its_scale(odd):
    layout = charts.histogram(odd.tensors["q.int8"]).layout
    assert layout.xaxis.title.text == "value"
    assert "(log)" in layout.yaxis.title.text
    assert layout.yaxis.type == "log"


@pytest.mark.parametrize("name", ["all.nan", "empty"])
def test_a_histogram_of_nothing_says_so(odd, name):
    figure = charts.histogram(odd.tensors[name])
    assert "No finite values" in figure.layout.annotations[0].text


def test_a_heat_map_shows_the_slice_and_marks_what_is_not_finite(odd):
    tensor = odd.tensors["special"]
    window = Place.within(tensor.shape, row=2, column=5).cut(tensor)
    values, special = charts.heatmap(window).data
    expected = tensor.numpy()[2 : 2 + ROWS, 5 : 5 + COLUMNS]
    shown = np.array(values.z, dtype=float)
    assert shown.shape == (ROWS, COLUMNS)
    np.testing.assert_allclose(shown[np.isfinite(expected)], expected[np.isfinite(expected)])
    assert np.isnan(shown[~np.isfinite(expected)]).all()
    assert int(np.nansum(np.array(special.z, dtype=float))) == 14
    assert list(values.x[:2]), list(values.y[:2]) == ([5, 6], [2, 3])
    assert -values.zmin == values.zmax > 0


def test_zero_has_no_colour_so_that_the_page_shows_through(odd):
    scale = dict(charts.heatmap(Place.within((64, 256)).cut(odd.tensors["q.int8"])).data[0].colorscale[1:3])
    assert all(colour.endswith(",0)") for colour in scale.values())


@pytest.mark.parametrize(
    ("shape", "row", "column", "place"),
    [((40, 90), 999, 999, (16, 26)), ((300,), 5, 250, (0, 236)), ((), 3, 3, (0, 0)), ((3, 4), 9, 9, (0, 0))],
)
def test_a_window_is_moved_back_until_it_is_full(shape, row, column, place):
    found = Place.within(shape, row=row, column=column)
    assert (found.row, found.column) == place


def test_a_window_of_a_tensor_with_four_axes_is_one_of_its_matrices(odd):
    tensor = odd.tensors["conv.weight"]
    place = Place.within(tensor.shape, 11)
    assert place.leading == (1, 3)
    np.testing.assert_array_equal(place.cut(tensor).values, tensor.numpy()[1, 3].astype(float))
    assert eval(place.code("tensor"), {"tensor": tensor}).tolist() == tensor.numpy()[1, 3].tolist()


def test_figures_stay_small(odd, race):
    assert len(race.plot().to_json()) < 12_000
    assert len(charts.histogram(odd.tensors["q.int8"]).to_json()) < 16_000
    whole = Place.within((64, 256)).cut(odd.tensors["q.int8"])
    assert len(charts.heatmap(whole).to_json()) < 60_000


def test_a_figure_brings_its_style_sheet_where_plotly_draws_in_the_notebook(race, monkeypatch):
    import IPython.display
    import plotly.io as pio

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **_: shown.append(data))
    monkeypatch.setattr(pio, "show", lambda *_, **__: shown.append("figure"))
    monkeypatch.setattr(pio.renderers, "render_on_display", True)
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    race.plot()._ipython_display_()
    assert "--fw-paper" in shown[0]["text/html"]
    assert shown[1] == "figure"
