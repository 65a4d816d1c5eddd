"""The Load panel: every way in, the options of each format, errors as sentences, and code that does the same."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest

import workbench as wb
from workbench.errors import InputError, LoadError
from workbench.models.samples import mlp
from workbench.views.models.load_panel import LoadPanel

from ..alike import same  # noqa: TID252


@pytest.fixture
def mlp_file(tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(mlp())
    return path


def upload(panel, name):
    content = mlp()
    panel.upload._handle_custom_msg({"name": name, "start": 0, "size": len(content)}, [memoryview(content)])


def run_code(code):
    names = {"wb": wb}
    exec(code, names)
    return names["model"]


def test_the_empty_panel_says_what_to_do_and_has_samples_to_click():
    panel = LoadPanel()
    assert "No model yet" in panel.outcome.value
    assert {"mlp", "resnet50", "tiny-bert"} <= set(panel.samples)
    assert panel.code == ""
    assert panel.model is None


def test_a_click_on_a_sample_loads_it_and_hands_it_on():
    received = []
    panel = LoadPanel(received.append)
    panel.samples["mlp"].click()
    model = panel.job.result(60)
    assert received == [model]
    assert panel.model is model
    assert panel.source.value == "sample:mlp"
    assert "probabilities" in panel.outcome.value
    assert panel.code == 'model = wb.load("sample:mlp")'
    assert run_code(panel.code).info == model.info


def test_a_path_with_options_loads_and_runs_and_the_code_does_the_same(mlp_file):
    panel = LoadPanel()
    panel.source.value = f"  {mlp_file} "
    fields = panel.options.fields["onnx"]
    assert fields["provider"] in panel.options.children
    fields["optimization"].value = "basic"
    fields["intra_threads"].value = "1"
    panel.job.run_button.click()
    model = panel.job.result(60)
    x = np.ones((2, 16), np.float32)
    assert model.run({"x": x})["probabilities"].shape == (2, 4)
    assert panel.code == f'model = wb.load("{mlp_file}", optimization="basic", intra_threads=1)'
    assert panel.code_footer.code == panel.code
    again = run_code(panel.code)
    assert same(again.run({"x": x})["probabilities"], model.run({"x": x})["probabilities"])


def test_the_options_are_those_of_the_format(mlp_file):
    panel = LoadPanel()
    assert not panel.options.children
    panel.source.value = "sentence-transformers/all-MiniLM-L6-v2"
    assert panel.options.fields["huggingface"]["revision"] in panel.options.children
    panel.options.fields["huggingface"]["revision"].value = "main"
    panel.source.value = str(mlp_file)
    assert panel.options.fields["huggingface"]["revision"] not in panel.options.children
    assert "revision" not in panel.code


def test_a_file_in_the_picker_is_loaded_with_one_click(mlp_file):
    panel = LoadPanel(folder=mlp_file.parent)
    panel.browse.click()
    assert panel.picker.layout.display != "none"
    panel.picker.pick("small.onnx")
    assert panel.job.result(60).info.name == "mlp"
    assert panel.source.value == str(mlp_file)
    assert panel.picker.layout.display == "none"


def test_an_upload_is_loaded_and_its_code_works():
    panel = LoadPanel()
    upload(panel, "sent.onnx")
    model = panel.job.result(60)
    assert panel.source.value.endswith("/sent.onnx")
    assert run_code(panel.code).info == model.info


def test_a_wrong_path_is_a_sentence_and_the_model_stays(mlp_file):
    panel = LoadPanel()
    model = panel.load(mlp_file)
    panel.source.value = "nowhere/model.onnx"
    panel.job.run_button.click()
    with pytest.raises(LoadError):
        panel.job.result(60)
    assert "There is no nowhere/model.onnx" in panel.job.failure.value.split("<details>")[0]
    assert panel.model is model
    assert panel.job.state == "failed"


@pytest.mark.parametrize(("source", "says"), [("", "No model is named"), ("sample:mpl", "Did you mean")])
def test_what_cannot_be_loaded_says_what_to_do(source, says):
    panel = LoadPanel()
    panel.source.value = source
    panel.job.start()
    with pytest.raises(InputError, match=says):
        panel.job.result(60)
    assert says in panel.job.failure.value


def test_a_number_that_is_none_is_a_sentence_and_has_no_code(mlp_file):
    panel = LoadPanel()
    panel.source.value = str(mlp_file)
    panel.options.fields["onnx"]["intra_threads"].value = "many"
    assert panel.code_footer.code == ""
    panel.job.start()
    with pytest.raises(InputError, match="not a whole number"):
        panel.job.result(60)


def test_load_by_code_shows_the_model_and_its_options(mlp_file):
    panel = LoadPanel()
    model = panel.load(mlp_file, optimization="disable")
    assert panel.model is model
    assert panel.options.fields["onnx"]["optimization"].value == "disable"
    assert panel.code == f'model = wb.load("{mlp_file}", optimization="disable")'
    panel.load(mlp())
    assert panel.code == ""
    with pytest.raises(LoadError):
        panel.load("nowhere.onnx")


def test_a_cancelled_load_leaves_the_model_as_it_was(mlp_file, monkeypatch):
    reading, go_on = threading.Event(), threading.Event()

    def slowly(source, **options):
        reading.set()
        go_on.wait(10)
        return wb.load(source, **options)

    monkeypatch.setattr("workbench.views.models.load_panel.load", slowly)
    panel = LoadPanel()
    panel.source.value = str(mlp_file)
    panel.job.start()
    assert reading.wait(5)
    assert "reading small.onnx" in panel.job.status.value
    panel.job.cancel()
    with pytest.raises(CancelledError):
        panel.job.result(5)
    go_on.set()
    assert panel.model is None
    assert panel.job.state == "cancelled"


def test_of_two_clicks_the_last_one_wins(mlp_file, monkeypatch):
    go_on = threading.Event()

    def slowly(source, **options):
        go_on.wait(10)
        return wb.load(source, **options)

    monkeypatch.setattr("workbench.views.models.load_panel.load", slowly)
    received = threading.Semaphore(0)
    panel = LoadPanel(lambda model: received.release())
    panel.choose(mlp_file)
    panel.samples["squeezenet"].click()
    go_on.set()
    assert received.acquire(timeout=30)
    assert "squeezenet" in panel.model.info.name
    assert not received.acquire(timeout=0.3)
    assert panel.source.value == "sample:squeezenet"
