"""A user's way through the panels Pipelines and Ring, in the real JupyterLab, with small models that were trained here.

The tests share one page and follow one another, as a user's steps do.
"""

import json
import re

import pytest
from playwright.sync_api import expect

from .steps import assert_not_too_wide, assert_readable, button, field, tab

pytestmark = pytest.mark.browser

CELL = """
import workbench as wb
from workbench.views.pipelines import verdict_panel
verdict_panel.BUDGET = 0
app = wb.Workbench()
app.select("Pipelines")
app
""".strip()
SLOWLY = """
import time
from workbench.pipelines.generation.decoding import Decoding
Decoding.step = lambda self, step=Decoding.step: time.sleep(0.15) or step(self)
"""
COUNT = """
def count(words, word):
    if word == "bad":
        raise ValueError("no such word")
    words[word] = words.get(word, 0) + 1
    return words[word]
panel = app.ring_panel
panel.stream.embedder.value = "sample:tiny-bert"
"""
ROUTED = """
panel.runtime.launch("total", handler=lambda seen, number: seen.append(number) or sum(seen), state=list)
panel.runtime.launch("tens", handler=lambda number: 10 * number, route="total")
[panel.runtime["tens"].send(number, reply=False) for number in range(5)];
""".strip()


@pytest.fixture(scope="module", autouse=True)
def _patient():
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def notebook(open_notebook, lab):
    cell = {"cell_type": "code", "id": "app", "metadata": {}, "outputs": [], "execution_count": None, "source": CELL}
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


def choose(app, task):
    field(app, "Task").select_option(task)
    expect(code(app)).to_contain_text(f'wb.pipeline("{task}", "sample:')


def code(app):
    return app.locator(".fw-code").locator("visible=true")


def verdict(app):
    return app.locator(".fw-verdict").locator("visible=true")


def said(app):
    return app.locator(".fw-job .fw-status").locator("visible=true").first


def test_one_click_leads_to_an_answer(notebook, app):
    expect(app.get_by_text("What does a model make of your text?")).to_be_visible()
    notebook.picture("pipelines-empty-light")
    button(app, "What kind of text is it?").click()
    expect(verdict(app)).to_have_text(re.compile("^1 good, 1 bad$|^1 bad, 1 good$"))
    expect(said(app)).to_have_text("Done.")


def test_texts_are_classified_by_keyboard(notebook, app):
    texts = field(app, "Texts")
    texts.fill("The room was lovely.\nThe soup was cold and the waiter was rude.\nWhat a noisy hotel!")
    texts.press("Control+Enter")
    expect(verdict(app)).to_have_text("2 bad, 1 good")
    rows = app.locator("table.fw-table tbody tr").locator("visible=true")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(re.compile("The room was lovely.*good"))
    expect(code(app)).to_contain_text('pipe(["The room was lovely."')
    expect(said(app)).to_have_text("Done.")
    notebook.picture("pipelines-labels-light")


def test_batches_are_counted_and_quantising_is_weighed(notebook, app):
    app.get_by_label("batch requests together").check()
    button(app, "int8").click()
    expect(code(app)).to_contain_text('quantization="int8", batching=')
    button(app, "Run").click()
    expect(app.get_by_text("3 requests")).to_be_visible()
    expect(app.get_by_text("onnxruntime, int8")).to_be_visible()
    button(app, "Weigh it").click()
    expect(verdict(app).last).to_contain_text("worth")
    notebook.picture("pipelines-verdict-light")


def test_names_are_marked_in_their_text(notebook, app):
    choose(app, "token-classification")
    field(app, "aggregation_strategy").select_option("first")
    button(app, "Run").click()
    marks = app.locator("mark").locator("visible=true")
    expect(marks.first).to_have_text("Ada Lovelace PER")
    expect(marks.nth(1)).to_have_text("Northwind Traders ORG")
    notebook.picture("pipelines-names-light")


def test_how_near_texts_are_is_a_map(notebook, app):
    choose(app, "feature-extraction")
    button(app, "Run").click()
    expect(verdict(app)).to_contain_text("closest")
    expect(app.locator(".js-plotly-plot").locator("visible=true").locator("text", has_text="1.00")).to_have_count(4)
    notebook.picture("pipelines-map-light")


def test_a_text_is_streamed_and_stopped(notebook, app):
    notebook.run(SLOWLY)
    choose(app, "text-generation")
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


def test_a_wrong_model_is_a_sentence_and_the_kernel_goes_on(notebook, app):
    model = field(app, "Model")
    model.fill("sample:tiny-classifier")
    model.press("Tab")
    button(app, "Run").click()
    expect(app.get_by_role("alert")).to_contain_text("has no head for text-generation")
    notebook.picture("pipelines-failed-light")


def test_all_of_it_is_readable_in_the_dark_and_fits_where_it_is_narrow(notebook, app):
    notebook.theme("Dark")
    for width in (1280, 800):
        notebook.page.set_viewport_size({"width": width, "height": 1500})
        for task in ("token-classification", "feature-extraction", "text-classification"):
            choose(app, task)
            assert_readable(app)
            assert_not_too_wide(app, task)
            notebook.picture(f"pipelines-{task}-dark-{width}")
    notebook.theme("Light")
    notebook.picture("pipelines-narrow-light")
    assert_readable(app)


def kernel(app, name):
    return app.locator(".fw-board tbody").filter(has=app.page.get_by_role("button", name=name, exact=True))


def test_a_function_of_the_notebook_is_launched_and_called_by_keyboard(notebook, app):
    notebook.page.set_viewport_size({"width": 1280, "height": 1300})
    notebook.run(COUNT)
    tab(app, "Ring")
    expect(app.get_by_text("A worker that lives on between messages")).to_be_visible()
    notebook.picture("ring-empty-light")
    button(app, "function").click()
    field(app, "Function of this notebook").fill("count")
    field(app, "Its state is made by").fill("dict")
    field(app, "capacity").fill("4")
    field(app, "when_full").select_option("refuse")
    button(app, "Launch").dblclick()
    expect(kernel(app, "count").locator(".fw-state")).to_have_text("active")
    message = field(app, "Message: a Python literal, or a text")
    message.fill("ring")
    message.press("Control+Enter")
    expect(app.get_by_text("1 answer in")).to_be_visible()
    expect(app.locator(".fw-board tbody")).to_have_count(1)
    expect(code(app)).to_contain_text('runtime.launch("count", handler=count, state=dict, capacity=4')


def test_messages_wait_while_it_is_deactivated_and_the_numbers_follow(notebook, app):
    button(app, "deactivate count").click()
    expect(kernel(app, "count").locator(".fw-state")).to_have_text("deactivated")
    field(app, "Times").fill("6")
    field(app, "Times").press("Tab")
    button(app, "Send").click()
    expect(app.get_by_text("Sent 4 messages, 2 refused")).to_be_visible()
    expect(kernel(app, "count")).to_contain_text("4 of 4")
    button(app, "activate count").click()
    expect(kernel(app, "count")).to_contain_text("0 of 4")
    button(app, "Receive").click()
    expect(app.get_by_text("Received 4 replies.")).to_be_visible()


def test_kernels_that_a_cell_launches_appear_with_their_routes(notebook, app):
    notebook.run(ROUTED)
    expect(kernel(app, "total").locator("td").nth(3)).to_have_text("5")
    expect(app.get_by_role("img", name="tens goes on to total")).to_be_visible()
    field(app, "Message: a Python literal, or a text").fill("bad")
    field(app, "Times").fill("1")
    button(app, "Call").click()
    expect(app.get_by_text("ValueError: no such word")).to_be_visible()
    app.scroll_into_view_if_needed()
    notebook.picture("ring-kernels-light")


def test_texts_are_streamed_and_compared(notebook, app):
    button(app, "stream").click()
    button(app, "Stream").click()
    expect(app.get_by_text(re.compile("^4 good, 2 bad; . and . are closest"))).to_be_visible(timeout=30_000)
    expect(
        app.locator(".js-plotly-plot").locator("visible=true").locator("text", has_text="1.00").first
    ).to_be_visible()
    notebook.picture("ring-stream-light")


def test_an_audit_is_cancelled(notebook, app):
    button(app, "audit").click()
    button(app, "Run").click()
    expect(app.get_by_role("progressbar")).to_be_visible()
    button(app, "Cancel").click()
    expect(app.get_by_role("status").locator("visible=true")).to_have_text("Cancelled.")


def test_it_looks_only_while_it_is_seen(notebook, app):
    button(app, "kernels").click()
    tab(app, "Load")
    notebook.run('import time; time.sleep(0.5); print("it is", "looking" if panel.in_sight.looking else "asleep")')
    expect(notebook.page.get_by_text("it is asleep", exact=True)).to_be_visible()
    notebook.run("panel.runtime.shutdown()")
    tab(app, "Ring")
    expect(app.get_by_text("The runtime was shut down.")).to_be_visible()


def test_ring_is_readable_in_the_dark_and_fits_where_it_is_narrow(notebook, app):
    notebook.theme("Dark")
    for width in (1280, 800):
        notebook.page.set_viewport_size({"width": width, "height": 1400})
        for what in ("kernels", "stream", "audit"):
            button(app, what).click()
            assert_readable(app)
            assert_not_too_wide(app, what)
            notebook.picture(f"ring-{what}-dark-{width}")
    notebook.theme("Light")
    assert_readable(app)
