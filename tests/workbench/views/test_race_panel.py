"""The Race panel: its choices, a real race in its child process, Cancel, and code that does the same."""

import time
from concurrent.futures import CancelledError
from functools import partial
from types import SimpleNamespace

import pytest

import workbench as wb
from fused_kernels.catalog import OPS
from workbench.bench.process import race_in_process
from workbench.bench.verdict import sentences
from workbench.errors import InputError
from workbench.views import html
from workbench.views.races import race_panel
from workbench.views.races.race_panel import COLD, OTHER, SIZES, WARM, RacePanel


@pytest.fixture
def panel():
    panel = RacePanel()
    yield panel
    panel.job.cancel()


@pytest.fixture
def quick(monkeypatch):
    """Races of the panel end after the fewest rounds."""
    monkeypatch.setattr(race_panel, "race_in_process", partial(race_in_process, budget=0))


def run_code(code):
    names = {"wb": SimpleNamespace(compare=partial(wb.compare, budget=0))}
    exec(f"race = {code}", names)
    return names["race"]


def test_every_operation_offers_its_shapes_dtypes_and_contenders(panel):
    assert list(panel.operation.options) == list(OPS)
    for name, op in OPS.items():
        panel.operation.value = name
        assert op.summary.partition(">")[0].partition("<")[0] in panel.formula.value
        assert [value for _, value in panel.shapes.options] == [*op.shapes, OTHER]
        assert [value for _, value in panel.dtypes.options] == list(op.tolerance)
        assert panel.shape == op.shapes[0]
        assert {"numba", "numpy"} <= set(panel.contenders)


def test_who_cannot_run_says_why_in_place(panel):
    words = [row.value for row in panel.field.children if hasattr(row, "value")]
    assert any("cupy: " in text for text in words)
    assert "cupy" not in panel.checks


def test_where_there_is_a_gpu_it_is_a_place_to_race_and_else_nothing_changes(monkeypatch):
    monkeypatch.setattr(race_panel, "gpu", str)
    without = RacePanel("softmax")
    assert (list(without.device.options), without.device.layout.display) == (["cpu"], "none")
    assert "device" not in without.code
    monkeypatch.setattr(race_panel, "gpu", lambda: "NVIDIA GPU")
    with_gpu = RacePanel("softmax")
    assert with_gpu.device.layout.display is None
    with_gpu.device.value = "cuda"
    assert "device='cuda'" in with_gpu.code.replace('"', "'")
    assert "fused" in with_gpu.checks
    assert "numba" not in with_gpu.checks
    assert "bfloat16" in [value for _, value in with_gpu.dtypes.options]
    with_gpu.what.value = SIZES
    assert "device" not in with_gpu.code
    assert with_gpu.device.layout.display == "none"
    assert {"numba", "numpy"} <= set(with_gpu.checks)


def test_a_race_runs_in_its_own_process_and_the_code_does_the_same(panel, quick):
    panel.operation.value = "softmax"
    panel.shapes.value = (8, 64)
    panel.dtypes.value = "float64"
    for name in set(panel.checks) - {"numba", "numpy"}:
        panel.checks[name].value = False
    panel.job.run_button.click()
    race = panel.job.result(120)
    assert panel.race is race
    assert (race.op, race.shape, race.dtype) == ("softmax", (8, 64), "float64")
    assert {result.contender for result in race.results} == {"numba", "numpy"}
    assert all(result.right for result in race.results)
    (view,) = panel.outcome.children
    assert all(html.escape(sentence) in view.children[0].value for sentence in sentences(race))
    assert len(view.figure.data[0].y) == 2
    again = run_code(panel.code)
    assert (again.op, again.shape, again.dtype) == (race.op, race.shape, race.dtype)
    assert {result.contender for result in again.results} == {"numba", "numpy"}


def test_the_code_follows_the_choices(panel):
    everyone = panel.code_footer.code
    assert everyone == 'wb.compare("layer_norm", shape=(512, 768), dtype="float32")'
    panel.checks["torch"].value = False
    others = ", ".join(f'"{name}"' for name in panel.contenders)
    assert panel.code_footer.code == f"{everyone[:-1]}, contenders=[{others}])"
    panel.operation.value = "softmax"
    assert not panel.checks["torch"].value


def test_the_caches_may_be_cold(panel, quick):
    assert panel.cache.value == WARM
    assert "cache" not in panel.code_footer.code
    panel.cache.value = COLD
    assert panel.code_footer.code.endswith('dtype="float32", cache="cold")')
    panel.shapes.value = (8, 64)
    for name in set(panel.checks) - {"numba", "numpy"}:
        panel.checks[name].value = False
    panel.job.start()
    assert "cold cache" in panel.job.result(120).conditions_text
    panel.what.value = SIZES
    assert panel.cache.layout.display == "none"
    assert "cache" not in panel.code_footer.code


def test_who_is_not_usual_has_to_be_chosen(panel):
    assert not panel.checks["torch.compile"].value
    panel.checks["torch.compile"].value = True
    assert panel.code_footer.code.endswith('"torch.compile"])')


def test_a_shape_can_be_typed(panel):
    assert panel.other_shape.layout.display == "none"
    panel.shapes.value = OTHER
    assert panel.other_shape.layout.display != "none"
    assert panel.code_footer.code == ""
    panel.other_shape.value = "33 x 65"
    assert panel.shape == (33, 65)
    assert "shape=(33, 65)" in panel.code_footer.code


@pytest.mark.parametrize("typed", ["", "wide", "12x-4"])
def test_what_is_no_shape_is_a_sentence(panel, typed):
    panel.shapes.value = OTHER
    panel.other_shape.value = typed
    panel.job.start()
    with pytest.raises(InputError):
        panel.job.result(30)
    assert "shape" in panel.job.failure.value.split("<details>")[0]


def test_no_contender_is_a_sentence(panel):
    for check in panel.checks.values():
        check.value = False
    panel.job.start()
    with pytest.raises(InputError, match="contender"):
        panel.job.result(60)


def test_cancel_keeps_the_previous_race(panel, quick, monkeypatch):
    panel.shapes.value = (8, 64)
    for name in set(panel.checks) - {"numba", "numpy"}:
        panel.checks[name].value = False
    panel.job.start()
    first = panel.job.result(120)
    view = panel.outcome.children
    monkeypatch.setattr(race_panel, "race_in_process", race_in_process)
    panel.job.start()
    give_up = time.monotonic() + 60
    while "round" not in panel.job.status.value:
        assert time.monotonic() < give_up
        assert panel.job.state == "working"
        time.sleep(0.01)
    panel.job.cancel()
    with pytest.raises(CancelledError):
        panel.job.result(10)
    assert panel.race is first
    assert panel.outcome.children == view
    assert panel.job.state == "cancelled"


def test_a_models_own_shapes_are_offered(panel):
    model = wb.load("sample:tiny-bert")
    panel.show_model(model)
    assert "5 in this model, most as 512\N{MULTIPLICATION SIGN}32" in panel.formula.value
    assert (512, 32) in [value for _, value in panel.shapes.options]
    panel.shapes.value = (512, 32)
    panel.show_model(None)
    assert panel.shape == (512, 768)
