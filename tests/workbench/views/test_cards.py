"""Cards: the same facts as the text reprs, safe against any name, the same each time, and not too long."""

import re

import numpy as np
import pytest

import workbench as wb
from workbench.models.model import Tensor, TensorTable
from workbench.models.stats import tensor_stats
from workbench.views import html
from workbench.views.models import cards

from .reading import Words, words

SCRIPT, LONG = "<script>alert(1)</script>.weight", "block." * 80 + "weight"


@pytest.fixture(scope="module")
def race(make_race):
    return make_race({"numba": 31e-6, "torch": 157e-6, "numpy": 502e-6})


def test_a_model_says_the_same_in_text_and_in_html():
    model = wb.load("sample:resnet50")
    text, shown = repr(model), words(model)
    for name in ("resnet50", "onnx", "opset", "producer", "parameters", "input", "output", "gpu_0/data_0", "102 MB"):
        assert name in text
        assert name in shown
    assert "[1, 3, 224, 224]" in shown


def test_a_table_says_the_same_in_text_and_in_html(odd):
    text, shown = repr(odd.tensors), words(odd.tensors)
    for name in (SCRIPT, "bfloat16", "int8", "64 B", "scalar", "10 tensors"):
        assert name.replace("64 B", "256 B") in text
        assert name.replace("64 B", "256 B") in shown
    assert "64 \N{MULTIPLICATION SIGN} 256" in shown


@pytest.mark.parametrize("name", [SCRIPT, LONG, "scalar", "empty", "special", "all.nan", "bf16.weight"])
def test_a_tensor_and_its_statistics_are_shown_whatever_they_hold(odd, name):
    tensor = odd.tensors[name]
    assert name in words(tensor)
    assert tensor.dtype in words(tensor)
    shown = words(tensor.stats())
    assert f"{tensor.size:,} values" in shown
    assert "NaN" in shown


def test_statistics_are_those_of_numpy(odd):
    values = odd.tensors["special"].numpy()
    finite = values[np.isfinite(values)]
    shown = words(odd.tensors["special"].stats())
    assert f"minimum {html.number(float(finite.min()))} maximum {html.number(float(finite.max()))}" in shown
    assert "NaN 12 infinite 2" in shown


@pytest.mark.parametrize("make", [lambda odd: odd.tensors, lambda odd: odd.tensors[SCRIPT], lambda odd: odd])
def test_names_are_never_markup(odd, make):
    shown = make(odd)._repr_html_()
    assert "script" not in Words(shown).tags
    assert "<script" not in shown


def test_a_contender_named_like_markup_is_shown_as_it_is(make_race):
    race = make_race({"<img src=x onerror=alert(1)>": 1e-6, "numpy": 2e-6})
    assert "img" not in Words(race._repr_html_()).tags
    assert "<img src=x" in words(race)


def test_two_reprs_are_equal_and_hold_nothing_of_the_moment(odd, race, tmp_path, make_odd):
    for value in (odd, odd.tensors, odd.tensors["special"], odd.tensors["special"].stats(), race):
        assert value._repr_html_() == value._repr_html_()
        assert str(tmp_path.parent) not in value._repr_html_()
    again = make_odd(tmp_path)
    assert again.tensors._repr_html_() == odd.tensors._repr_html_()


def test_a_race_gives_the_answer_first_then_conditions_bars_and_numbers(race):
    shown = words(race)
    assert shown.startswith(race.verdict)
    assert race.conditions_text in shown
    assert "cupy: no GPU here" in shown
    places = [shown.index(start) for start in ("numba 3", "torch 1", "NumPy 5")]
    assert places == sorted(places)
    for part in ("median", "95 % interval", "quartiles", "first call", "error", "310 ms"):
        assert part in shown


def test_bars_are_as_long_as_the_times(race):
    widths = [float(width) for width in re.findall(r'<i style="width:([\d.]+)%', race._repr_html_())]
    medians = [result.median for result in race.results]
    assert [width / widths[-1] for width in widths] == pytest.approx([m / medians[-1] for m in medians], rel=0.01)
    assert "from 0" in words(race)


def test_a_log_scale_says_so(make_race):
    shown = make_race({"numba": 1e-6, "numpy": 1e-3})
    assert "log scale" in words(shown)
    widths = [float(width) for width in re.findall(r'<i style="width:([\d.]+)%', shown._repr_html_())]
    assert 0 < widths[0] < widths[1] <= 100


def test_no_difference_and_a_wrong_result_are_said_beside_the_bar(make_race):
    assert "no difference" in words(make_race({"numba": 1e-6, "torch": 1.001e-6}, spread=0.1))
    shown = words(make_race({"numba": 1e-6, "torch": 3e-6}, wrong=("torch",)))
    assert "wrong result" in shown
    assert "computes another result" in shown
    page = make_race({"torch": 1e-6, "numba": 2e-6}, wrong=("torch",))._repr_html_()
    assert page.index(">numba</th>") < page.index(">torch</th>"), "below the others, however fast it seems"
    assert re.search(r'box-shadow:inset [^"]+"></i>', page)
    assert '<p class="fw-warning">torch computes another result and is out of the competition.</p>' in page
    assert '<b class="fw-fault">computes another result</b>' in page


def test_a_race_without_results_still_says_why(make_race):
    from dataclasses import replace

    empty = replace(make_race({"numpy": 1e-6}), results=())
    assert "cupy: no GPU here" in words(empty)


def test_long_tables_are_cut_and_say_how_much_is_left():
    one = np.zeros(1, np.int8)
    table = TensorTable([Tensor(f"t{place:05}", "int8", (1,), 1, lambda: one) for place in range(5_000)])
    shown = table._repr_html_()
    assert shown.count("<tr>") == cards.ROWS + 1
    assert "and 4,800 more" in shown
    assert len(shown) < 60_000


def test_cards_stay_small(odd, race):
    for value in (odd, odd.tensors["special"], odd.tensors["special"].stats(), race):
        assert len(value._repr_html_()) < 14_000


def test_a_model_without_weights_says_so():
    assert "This model stores no weights" in words(TensorTable([]))


def test_constant_values_have_statistics_without_a_misleading_spread():
    assert "std 0 " in words(tensor_stats(np.full(10, 2.5)))
