"""A user's way through the app, in the real JupyterLab: notebook 01 is run, then everything is done by mouse and keys.

The tests share one page and follow one another, as a user's steps do.
"""

import re
import time

import onnx
import pytest
from playwright.sync_api import expect

from workbench.models.samples import mlp

from .steps import assert_not_too_wide, assert_readable, button, field, tab

pytestmark = pytest.mark.browser

APP = ".fw-app"


@pytest.fixture(scope="module")
def notebook(open_notebook, lab):
    (lab.root / "notebooks" / "small.onnx").write_bytes(mlp())
    notebook = open_notebook("notebooks/01_workbench.ipynb")
    notebook.run_all()
    notebook.wait_until_run()
    return notebook


@pytest.fixture
def app(notebook):
    app = notebook.page.locator(APP).first
    app.scroll_into_view_if_needed()
    return app


def assert_loaded(app, name):
    expect(app.locator(".fw-header")).to_contain_text(name, timeout=20_000)
    expect(button(app, "Load")).to_be_enabled(timeout=20_000)
    expect(app.get_by_role("alert")).to_have_count(0)


def run_to_its_end(app):
    button(app, "Run").click()
    expect(app.get_by_role("progressbar")).to_be_visible()
    said = app.locator(".fw-job .fw-status").locator("visible=true")
    expect(said).to_have_text(re.compile("^(Done|Failed|Cancelled)"), timeout=60_000)
    assert said.inner_text().startswith("Done"), app.get_by_role("alert").all_text_contents()


def test_the_notebook_runs_without_an_error(notebook):
    expect(notebook.page.locator('.jp-OutputArea-output[data-mime-type*="error"]')).to_have_count(0)
    expect(notebook.page.locator(APP)).to_have_count(1)


def test_a_sample_is_loaded_with_one_click(notebook, app):
    tab(app, "Load")
    notebook.picture("load-empty-light")
    button(app, "resnet50").click()
    assert_loaded(app, "resnet50")
    expect(app.locator(".fw-card").locator("visible=true")).to_contain_text("parameters")
    notebook.picture("load-done-light")


def test_a_path_is_typed_and_loaded_by_keyboard(app):
    source = field(app, "Model")
    source.fill("small.onnx")
    source.press("Enter")
    expect(app.get_by_label("provider", exact=True)).to_be_visible()
    load = button(app, "Load")
    load.focus()
    load.press("Enter")
    assert_loaded(app, "mlp")
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text('wb.load("small.onnx")')


def test_a_wrong_path_is_a_clear_sentence(notebook, app):
    field(app, "Model").fill("smal.onnx")
    button(app, "Load").click()
    alert = app.get_by_role("alert")
    expect(alert).to_contain_text("Did you mean small.onnx")
    expect(alert.locator("pre")).not_to_be_visible()
    notebook.picture("load-failed-light")
    alert.locator("summary").click()
    expect(alert.locator("pre")).to_contain_text("LoadError")
    expect(app.locator(".fw-header")).to_contain_text("mlp")


def test_a_file_is_picked_on_the_kernels_side(notebook, app):
    button(app, "Browse").click()
    entries = app.locator(".fw-entries")
    expect(entries).to_contain_text("small.onnx")
    notebook.picture("load-picker-light")
    entries.get_by_role("button", name=re.compile("small.onnx")).click()
    expect(entries).not_to_be_visible()
    assert_loaded(app, "mlp")


def test_a_file_of_several_pieces_is_uploaded(app):
    large = onnx.load_model_from_string(mlp())
    large.doc_string = "long " * 2_000_000
    with app.page.expect_file_chooser() as chooser:
        app.locator("button", has_text="Upload").click()
    content = large.SerializeToString()
    chooser.value.set_files({"name": "sent.onnx", "mimeType": "application/octet-stream", "buffer": content})
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text("sent.onnx", timeout=20_000)
    assert_loaded(app, "mlp")


def test_the_tabs_are_reached_by_keys(app):
    load, inspect = (app.locator(".lm-TabBar-tab", has_text=re.compile(f"^{name}$")) for name in ("Load", "Inspect"))
    load.focus()
    load.press("ArrowRight")
    expect(inspect).to_be_focused()
    inspect.press("Enter")
    expect(inspect).to_have_attribute("aria-selected", "true")
    expect(app.locator("td", has_text="first.weight")).to_be_visible()


def test_a_tensor_is_selected_and_its_values_are_shown(notebook, app):
    tab(app, "Inspect")
    app.locator("td", has_text="first.weight").click()
    expect(app.locator(".fw-main, .fw-body").locator("visible=true").first).to_contain_text("std")
    expect(app.locator(".js-plotly-plot").locator("visible=true").last).to_be_visible()
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text("first.weight")
    notebook.picture("inspect-light")


def test_a_race_is_cancelled_and_the_previous_answer_stays(notebook, app):
    tab(app, "Race")
    verdict = app.locator(".fw-verdict")
    before = verdict.inner_text()
    button(app, "Run").click()
    expect(app.get_by_role("progressbar")).to_be_visible()
    expect(app.get_by_role("status").locator("visible=true")).to_contain_text("round", timeout=30_000)
    notebook.picture("race-working-light")
    button(app, "Cancel").click()
    expect(app.get_by_role("status").locator("visible=true")).to_contain_text("Cancelled")
    expect(verdict).to_have_text(before)
    notebook.picture("race-cancelled-light")


def test_a_race_is_run_and_its_chart_is_seen(notebook, app):
    field(app, "Operation").select_option("layer_norm")
    button(app, "512\N{MULTIPLICATION SIGN}768").click()
    run_to_its_end(app)
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text('wb.compare("layer_norm", shape=(512, 768)')
    bars = app.locator(".js-plotly-plot").locator("visible=true").locator(".barlayer .point")
    assert bars.count() == app.locator(".fw-contender input:checked").count() >= 3
    notebook.picture("race-done-light")


def test_over_sizes_the_answer_is_a_sentence_with_two_charts(notebook, app):
    notebook.run(FEWER)
    field(app, "Operation").select_option("relu")
    button(app, "over sizes").click()
    for other in ("torch", "onnxruntime"):
        app.get_by_label(other, exact=True).uncheck()
    run_to_its_end(app)
    expect(app.locator(".fw-verdict")).to_contain_text("numba")
    expect(app.locator(".fw-code").locator("visible=true")).to_contain_text('wb.sweep("relu", dtypes=["float32"]')
    charts = app.locator(".js-plotly-plot").locator("visible=true")
    expect(charts).to_have_count(2)
    for chart in charts.all():
        expect(chart.locator(".xtitle")).to_contain_text("elements (log)")
        assert chart.locator(".scatterlayer .trace").count() >= 2
    notebook.picture("race-sizes-light")


def test_the_numbers_of_a_chart_are_downloaded(app):
    with app.page.expect_download() as download:
        button(app, "CSV").click()
    assert download.value.suggested_filename == "relu-over-sizes.csv"
    heading, *rows = download.value.path().read_text().splitlines()
    assert heading.startswith("op,dtype,shape,size,contender,median")
    assert len(rows) == 3 * app.locator(".fw-contender input:checked").count()


def test_a_roofline_is_cancelled_and_run(notebook, app):
    before = app.locator(".fw-verdict").inner_text()
    button(app, "roofline").click()
    expect(field(app, "Operation")).not_to_be_visible()
    button(app, "Run").click()
    expect(app.get_by_role("progressbar")).to_be_visible()
    button(app, "Cancel").click()
    expect(app.locator(".fw-job .fw-status").locator("visible=true")).to_contain_text("Cancelled")
    expect(app.locator(".fw-verdict")).to_have_text(before)
    run_to_its_end(app)
    expect(app.locator(".fw-verdict")).to_contain_text("reaches")
    chart = app.locator(".js-plotly-plot").locator("visible=true")
    expect(chart.locator(".annotation-text").first).to_be_visible()
    names = " ".join(chart.locator(".annotation-text").all_text_contents())
    assert "scale" in names
    assert "relu" in names
    notebook.picture("race-roofline-light")


def test_a_cell_is_raced_and_shows_how_far_it_is(notebook):
    notebook.run("%load_ext workbench\nimport numpy as np\nx = np.linspace(0, 1, 10_000)")
    notebook.run("%%race -b 1.5\nx ** 3\nx * x * x")
    output = notebook.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-Cell-outputArea")
    expect(output.locator("progress")).to_be_visible()
    expect(output.locator(".fw-verdict")).to_contain_text("faster than", timeout=30_000)
    expect(output.locator("progress")).to_have_count(0)
    expect(output.locator(".fw-bars-name")).to_have_text(["x * x * x", "x ** 3"])
    notebook.picture("race-cell-light")


def test_a_cell_that_is_interrupted_leaves_one_sentence(notebook):
    notebook.run("%%race -b 60\nx ** 3\nx * x * x")
    output = notebook.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-Cell-outputArea")
    expect(output.get_by_role("status")).to_contain_text("round", timeout=20_000)
    notebook.command("notebook:interrupt-kernel")
    expect(output).to_have_text(re.compile(r"^\s*UsageError: %%race: cancelled, and nothing is kept of it.\s*$"))


def test_run_and_cancel_work_while_a_cell_blocks_the_kernel(notebook, app):
    notebook.run("import time; time.sleep(20); print('cell' + ' over')")
    button(app, "Run").click()
    expect(app.get_by_role("progressbar")).to_be_visible(timeout=8_000)
    started = time.monotonic()
    button(app, "Cancel").click()
    expect(app.get_by_role("status").locator("visible=true")).to_contain_text("Cancelled", timeout=8_000)
    assert notebook.page.get_by_text("cell over", exact=True).count() == 0, f"took {time.monotonic() - started:.1f} s"


def test_the_theme_is_followed_and_text_stays_readable(notebook, app):
    light = app.evaluate(PAPER)
    notebook.theme("Dark")
    for name in ("Load", "Inspect", "Race"):
        tab(app, name)
        notebook.picture(f"{name.lower()}-dark")
        assert_readable(app)
    assert app.evaluate(PAPER) != light
    notebook.theme("Light")
    assert app.evaluate(PAPER) == light
    assert_readable(app)


def test_the_side_column_folds_above_the_main_one_where_it_is_narrow(notebook, app):
    side, main = (app.locator(f".fw-{name}").locator("visible=true") for name in ("side", "main"))
    assert side.bounding_box()["x"] + side.bounding_box()["width"] <= main.bounding_box()["x"] + 1
    notebook.page.set_viewport_size({"width": 800, "height": 1000})
    for name in ("Load", "Inspect", "Race"):
        tab(app, name)
        notebook.picture(f"{name.lower()}-narrow")
        assert_not_too_wide(app, name)
    assert side.bounding_box()["y"] + side.bounding_box()["height"] <= main.bounding_box()["y"] + 1


FEWER = """
from functools import partial
from workbench.views.races import race_panel
race_panel.sweep_in_process = partial(race_panel.sweep_in_process, shapes=[64, 1024, 16384], budget=0)
race_panel.roofline_in_process = partial(
    race_panel.roofline_in_process, ops=["scale", "relu"], shape=[64, 64], budget=0
)
"""

PAPER = "app => getComputedStyle(app).backgroundColor"
