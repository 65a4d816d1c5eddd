"""ONNX weights in files of their own: read from beside the model, and from nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.errors import LoadError


@pytest.fixture
def outside(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a model whose weights lie in another file."""

    def write(location: str) -> Path:
        weights = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), "w")
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in "xy")
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weights])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        (tmp_path / "model").mkdir()
        path = tmp_path / "model" / "m.onnx"
        onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
        stored = onnx.load(path, load_external_data=False)
        for entry in stored.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = location
        path.write_bytes(stored.SerializeToString())
        return path

    return write


def test_weights_in_another_file_are_read_from_there(outside: Callable[[str], Path]) -> None:
    model = wb.load(outside("w.bin"))
    assert model.tensors["w"].numpy().tolist() == np.arange(12).reshape(3, 4).tolist()
    assert model.tensors["w"].slice2d(1, 2).tolist() == [[6, 7], [10, 11]]
    assert model.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[12, 15, 18, 21]]


def test_weights_in_a_missing_or_short_file_are_missed_when_they_are_read(outside: Callable[[str], Path]) -> None:
    path = outside("w.bin")
    model = wb.load(path)
    assert model.info.parameters == 12
    (path.parent / "w.bin").write_bytes(bytes(40))
    with pytest.raises(LoadError, match=r"need 48 bytes at 0 of 'w.bin', which has 40"):
        model.tensors["w"].numpy()
    (path.parent / "w.bin").unlink()
    with pytest.raises(LoadError, match="no such file"):
        model.tensors["w"].numpy()
    with pytest.raises(LoadError):
        model.run({"x": np.ones((1, 3), np.float32)})


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "", "a/../../secret.bin", "link.bin"])
def test_weights_outside_the_folder_are_refused(location: str, outside: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    path = outside(location)
    if location == "link.bin":
        (path.parent / location).symlink_to(tmp_path / "secret.bin")
    with pytest.raises(LoadError, match="refused"):
        wb.load(path)


def test_links_into_one_store_are_followed(outside: Callable[[str], Path], tmp_path: Path) -> None:
    stored = outside("w.bin")
    (tmp_path / "blobs").mkdir()
    for number, name in enumerate(("m.onnx", "w.bin")):
        (stored.parent / name).rename(tmp_path / "blobs" / str(number))
        (stored.parent / name).symlink_to(Path("..") / "blobs" / str(number))
    model = wb.load(stored)
    assert model.tensors["w"].slice2d(2, 3).tolist() == [[11]]
    assert model.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[12, 15, 18, 21]]


def test_weights_outside_of_bytes_cannot_be_found(outside: Callable[[str], Path]) -> None:
    model = wb.load(outside("w.bin").read_bytes())
    with pytest.raises(LoadError, match="Load the model by its path"):
        model.tensors["w"].numpy()
