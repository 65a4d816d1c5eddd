"""The app: its panels around one model, without a front end."""

import pytest

import workbench as wb
from workbench.errors import LoadError
from workbench.models.samples import mlp
from workbench.views.app import TABS


def test_the_empty_app_has_its_panels_and_a_stable_text():
    app = wb.Workbench()
    assert app.model is None
    assert app.race is None
    assert repr(app) == "Workbench(model=None, race=None)"
    assert tuple(app.tabs.titles) == TABS
    assert "Fusion Workbench" in app.header.value
    assert "core" in app.header.value


def test_a_model_is_shown_in_the_header_and_in_every_panel():
    app = wb.Workbench()
    model = app.load("sample:tiny-bert")
    assert app.model is model
    assert "tiny-bert" in app.header.value
    assert app.inspector.model is model
    assert "in this model" in app.race_panel.formula.value
    assert app.load_panel.source.value == "sample:tiny-bert"
    assert repr(app) == "Workbench(model='tiny-bert: BertModel', race=None)"


def test_a_click_in_the_load_panel_does_the_same():
    app = wb.Workbench()
    app.load_panel.samples["mlp"].click()
    model = app.load_panel.job.result(60)
    assert app.model is model
    assert app.inspector.model is model
    assert "mlp" in app.header.value


def test_the_next_steps_lead_to_the_other_panels():
    app = wb.Workbench(mlp())
    assert app.load_panel.next.layout.display != "none"
    inspect, race, ask = app.load_panel.next.children
    assert ask.layout.display == "none", "no pipeline is made of an ONNX model"
    inspect.click()
    assert TABS[app.tabs.selected_index] == "Inspect"
    race.click()
    assert TABS[app.tabs.selected_index] == "Race"
    app.load("sample:tiny-bert")
    assert ask.layout.display != "none"
    ask.click()
    assert TABS[app.tabs.selected_index] == "Pipelines"
    app.select("Load")
    assert app.tabs.selected_index == 0


def test_a_source_that_cannot_be_loaded_raises_and_the_model_stays():
    app = wb.Workbench("sample:mlp")
    model = app.model
    with pytest.raises(LoadError):
        app.load("nowhere.onnx")
    assert app.model is model


def test_the_race_is_a_value_of_the_app():
    app = wb.Workbench()
    panel = app.race_panel
    panel.shapes.value = (8, 64)
    for name in set(panel.checks) - {"numpy"}:
        panel.checks[name].value = False
    panel.job.start()
    race = panel.job.result(60)
    assert app.race is race
    assert [result.contender for result in race.results] == ["numpy"]
    assert race.verdict in repr(app)


def test_the_code_of_the_panels_makes_a_notebook():
    app = wb.Workbench("sample:mlp")
    app.inspector.select("first.weight")
    names = {"wb": wb}
    for panel in (app.load_panel, app.inspector):
        assert panel.code_footer.code
        exec(panel.code_footer.code, names)
    assert names["model"].info == app.model.info
    assert names["tensor"].name == "first.weight"
