"""A user's way through the Pipelines panel, in the real JupyterLab, with models that were trained for a few seconds.

The tests share one page and follow one another, as a user's steps do.
"""

import json
import re

import pytest
from playwright.sync_api import expect

from workbench.models import samples

from ..workbench.pipelines import generator, trained  # noqa: TID252
from .steps import assert_not_too_wide, assert_readable, button

pytestmark = pytest.mark.browser

CELL = """
import os
os.environ["XDG_CACHE_HOME"] = {cache!r}
import workbench as wb
from workbench.views import verdict_panel
verdict_panel.BUDGET = 0
app = wb.Workbench()
for task, model in {models!r}.items():
    app.pipeline_panel.settings.choose(task, model)
app.select("Pipelines")
app
"""
SLOWLY = """
import time
from workbench.pipelines.generation.decoding import Decoding
Decoding.step = lambda self, step=Decoding.step: time.sleep(0.15) or step(self)
"""


@pytest.fixture(scope="module", autouse=True)
def _patient():
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {
        "token-classification": str(trained.trained("tagger", tmp_path_factory)),
        "text-generation": str(generator.trained(generator.shared(tmp_path_factory.getbasetemp()))),
        "feature-extraction": "sample:minilm" if "minilm" in samples.available() else "sample:tiny-bert",
        "text-classification": str(trained.trained("classifier", tmp_path_factory)),
    }


@pytest.fixture(scope="module")
def notebook(open_notebook, lab, models, tmp_path_factory):
    source = CELL.format(cache=str(tmp_path_factory.getbasetemp() / "remembered"), models=models).strip()
    cell = {"cell_type": "code", "id": "app", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    kernel = {"name": "python3", "display_name": "Python 3"}
    content = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / "pipelines.ipynb").write_text(json.dumps(content))
    notebook = open_notebook("pipelines.ipynb", height=1200)
    notebook.run_all()
    notebook.wait_until_run()
    return notebook


@pytest.fixture
def app(notebook):
    return notebook.page.locator(".fw-app").first


def choose(app, task, model):
    app.get_by_label("Task", exact=True).select_option(task)
    expect(field(app, "Model")).to_have_value(model)


def field(app, label):
    return app.get_by_label(label, exact=True).locator("visible=true")


def said(app):
    return app.locator(".fw-job .fw-status").locator("visible=true").first


def test_texts_are_classified_by_keyboard(notebook, app):
    expect(app.get_by_text("What does a model make of your text?")).to_be_visible()
    notebook.picture("pipelines-empty-light")
    texts = field(app, "Texts")
    texts.fill("the walk was superb\nwhat a rotten cake!\nthe hotel was dull and noisy")
    texts.press("Control+Enter")
    expect(app.locator(".fw-verdict").locator("visible=true")).to_have_text("2 bad, 1 good")
    rows = app.locator("table.fw-table tbody tr").locator("visible=true")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(re.compile("the walk was superb.*good"))
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text('pipe(["the walk was superb"')
    expect(said(app)).to_have_text("Done.")
    notebook.picture("pipelines-labels-light")


def test_batches_are_counted_and_quantising_is_weighed(notebook, app):
    app.get_by_label("batch requests together").check()
    button(app, "int8").click()
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text('quantization="int8", batching=')
    button(app, "Run").click()
    expect(app.get_by_text("3 requests")).to_be_visible()
    expect(app.get_by_text("onnxruntime, int8")).to_be_visible()
    button(app, "Weigh it").click()
    expect(app.locator(".fw-verdict").last).to_contain_text("worth")
    notebook.picture("pipelines-verdict-light")


def test_names_are_marked_in_their_text(notebook, app, models):
    choose(app, "token-classification", models["token-classification"])
    field(app, "aggregation").select_option("first")
    field(app, "Texts").fill("mr Balodu flew to Keti at noon\nwe met Soral and Timu in Bolbo\nnothing of note was said")
    button(app, "Run").click()
    marks = app.locator("mark").locator("visible=true")
    expect(marks.first).to_have_text("Balodu PER")
    expect(marks.nth(1)).to_have_text("Keti LOC")
    notebook.picture("pipelines-names-light")


def test_how_near_texts_are_is_a_map(notebook, app, models):
    choose(app, "feature-extraction", models["feature-extraction"])
    button(app, "Run").click()
    expect(app.locator(".fw-verdict").locator("visible=true")).to_contain_text("closest")
    expect(app.locator(".js-plotly-plot").locator("visible=true").locator("text", has_text="1.00")).to_have_count(4)
    notebook.picture("pipelines-map-light")


def test_a_text_is_streamed_and_stopped(notebook, app, models):
    notebook.run(SLOWLY)
    choose(app, "text-generation", models["text-generation"])
    field(app, "Prompt").fill("One, two,")
    field(app, "max_new_tokens").fill("60")
    app.scroll_into_view_if_needed()
    button(app, "Run").click()
    written = app.locator(".fw-written").locator("visible=true")
    expect(written).to_contain_text("One, two, three")
    notebook.picture("pipelines-writing-light")
    button(app, "Stop").click()
    expect(said(app)).to_have_text(re.compile(r"^Stopped after \d+ tokens\.$"))
    expect(written).not_to_contain_text("ten")
    expect(app.get_by_text("stopped by the reader")).to_be_visible()
    notebook.picture("pipelines-stopped-light")


def test_a_wrong_model_is_a_sentence_and_the_kernel_goes_on(notebook, app, models):
    model = field(app, "Model")
    model.fill(models["text-classification"])
    model.press("Tab")
    button(app, "Run").click()
    expect(app.get_by_role("alert")).to_contain_text("has no head for text-generation")
    notebook.picture("pipelines-failed-light")


def test_all_of_it_is_readable_in_the_dark_and_fits_where_it_is_narrow(notebook, app, models):
    notebook.theme("Dark")
    for width in (1280, 800):
        notebook.page.set_viewport_size({"width": width, "height": 1500})
        for task in ("token-classification", "feature-extraction", "text-classification"):
            choose(app, task, models[task])
            notebook.picture(f"pipelines-{task}-dark-{width}")
            assert_readable(app)
            assert_not_too_wide(app, task)
    notebook.theme("Light")
    notebook.picture("pipelines-narrow-light")
    assert_readable(app)
