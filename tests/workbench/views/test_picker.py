"""The file picker: what it lists, what a click does, and folders that cannot be read."""

from pathlib import Path

import pytest

from workbench.errors import LoadError
from workbench.views.models.picker import FilePicker, list_models


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "Zoo.onnx").write_bytes(b"1234")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"0" * 2000)
    (tmp_path / "weights.safetensors").write_bytes(b"0")
    (tmp_path / "notes.txt").write_text("no model")
    return tmp_path


def test_models_come_first_then_folders_and_nothing_else(tree):
    assert [(entry["name"], entry["note"]) for entry in list_models(tree)] == [
        ("bert", "Hugging Face model"),
        ("model.onnx", "2.00 kB"),
        ("weights.safetensors", "1 B"),
        ("data", "folder"),
    ]


def test_a_click_opens_a_folder_or_chooses_a_model(tree):
    chosen = []
    picker = FilePicker(chosen.append, chosen.append, tree)
    picker.pick("data")
    assert picker.folder == str(tree / "data")
    assert [entry["name"] for entry in picker.entries] == ["Zoo.onnx"]
    picker.pick("Zoo.onnx")
    picker.pick("..")
    picker.pick("bert")
    assert chosen == [tree / "data" / "Zoo.onnx", tree / "bert"]
    assert picker.folder == str(tree)


def test_a_click_in_the_browser_arrives_as_a_message(tree):
    chosen = []
    picker = FilePicker(chosen.append, chosen.append, tree)
    picker._handle_custom_msg({"pick": "model.onnx"}, [])
    assert chosen == [tree / "model.onnx"]


def test_a_folder_that_is_gone_is_reported_and_the_list_stays(tree):
    failures = []
    picker = FilePicker(failures.append, failures.append, tree)
    (tree / "data" / "Zoo.onnx").unlink()
    (tree / "data").rmdir()
    picker._handle_custom_msg({"pick": "data"}, [])
    assert isinstance(failures[0], LoadError)
    assert str(tree / "data") in str(failures[0])
    assert picker.folder == str(tree)


def test_the_folder_above_the_root_is_the_root():
    picker = FilePicker(print, print, "/")
    picker.pick("..")
    assert picker.folder == str(Path("/"))
