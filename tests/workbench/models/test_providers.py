"""Where an ONNX model runs: ONNX Runtime or the reference evaluator, which of them ran, options, and big models."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.errors import InputError, LoadError, MissingLibraryError, RunError, WorkbenchError
from workbench.models.formats.onnx.oversize import without_weights
from workbench.models.formats.onnx.providers import PROVIDERS


def model_of(nodes: list[Any], *, dtype: int = TensorProto.FLOAT, opset: int = 21, **more: Any) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, dtype, ["n"]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], more.pop("initializer", None), **more.pop("graph", {}))
    opsets = [helper.make_opsetid("", opset), *more.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)


REFUSED = model_of([helper.make_node("Max", ["x", "x"], ["y"])], dtype=TensorProto.UINT16)
"""ONNX defines it, and ONNX Runtime has no implementation for this dtype."""
UNKNOWN = model_of([helper.make_node("NoSuchOperator", ["x"], ["y"])])
NUMBERS = {"x": np.array([3, 1], np.uint16)}


def test_what_onnx_runtime_takes_runs_there() -> None:
    model = wb.load("sample:mlp", provider="auto")
    assert model.provider == "auto"
    outputs = model.run({"x": np.zeros((1, 16), np.float32)})
    assert (outputs.provider, outputs.reason, model.provider) == ("cpu", "", "cpu")
    assert isinstance(outputs, dict)


def test_what_onnx_runtime_refuses_runs_on_the_reference_evaluator_and_says_why() -> None:
    with pytest.raises(LoadError, match="provider='auto'"):
        wb.load(REFUSED).run(NUMBERS)
    model = wb.load(REFUSED, provider="auto")
    outputs = model.run(NUMBERS)
    assert outputs["y"].tolist() == [3, 1]
    assert (outputs.provider, model.provider) == ("reference", "reference")
    assert "Could not find an implementation for Max" in outputs.reason


def test_asked_for_by_name_the_reference_evaluator_runs_what_onnx_runtime_could() -> None:
    x = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    ours = wb.load("sample:mlp", provider="reference").run({"x": x})
    assert (ours.provider, ours.reason) == ("reference", "")
    np.testing.assert_allclose(ours["probabilities"], wb.load("sample:mlp").run({"x": x})["probabilities"], rtol=1e-5)


def test_what_neither_takes_is_told_with_both_reasons() -> None:
    model = wb.load(UNKNOWN, provider="auto")
    with pytest.raises(LoadError, match=r"(?s)ONNX Runtime .*NoSuchOperator.*reference evaluator .*NoSuchOperator"):
        model.prepare()


def test_an_error_of_the_inputs_is_not_tried_again_elsewhere() -> None:
    a, b, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "aby")
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", [a, b], [y])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(RunError, match="ONNX Runtime stopped"):
        wb.load(proto, provider="auto").run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})


def test_the_reference_evaluator_takes_functions_sparse_weights_and_data_outside(tmp_path: Path) -> None:
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 21)]
    )
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([5.0, 7.0], np.float32), "s"),
        numpy_helper.from_array(np.array([1, 2]), "s_indices"),
        [4],
    )
    nodes = [
        helper.make_node("Twice", ["x"], ["z"], domain="own"),
        helper.make_node("Sum", ["z", "s", "w"], ["y"]),
    ]
    w = numpy_helper.from_array(np.array([1, 0, 0, 2], np.float32), "w")
    proto = model_of(nodes, initializer=[w], functions=[twice], opsets=[helper.make_opsetid("own", 1)],
                     graph={"sparse_initializer": [sparse]})  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    for provider in ("cpu", "reference"):
        model = wb.load(path, provider=provider)
        assert model.run({"x": np.ones(4, np.float32)})["y"].tolist() == [3, 7, 9, 4]


def test_bytes_with_data_outside_read_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = numpy_helper.from_array(np.ones(4, np.float32), "w")
    path = tmp_path / "m.onnx"
    onnx.save(model_of([helper.make_node("Add", ["x", "w"], ["y"])], initializer=[w]), path,
              save_as_external_data=True, location="w.bin", size_threshold=0)  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for provider in ("cpu", "reference", "auto"):
        with pytest.raises(LoadError, match="Load the model by its path"):
            wb.load(path.read_bytes(), provider=provider).run({"x": np.ones(4, np.float32)})


def test_what_the_reference_evaluator_gets_wrong_is_not_passed_on() -> None:
    """The graph declares a vector, and a node's loop gives a column."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    for y, says in [
        (helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1]), r"float32 \[2\] for an output"),
        (helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["n"]), "float32"),
    ]:
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        with pytest.raises(RunError, match=f"{says}.*not to be trusted"):
            wb.load(proto, provider="reference").run({"x": np.ones(2, np.float32)})


def test_the_reference_evaluator_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    model = wb.load(model_of([helper.make_node("Div", ["x", "x"], ["y"])]), provider="reference")
    assert np.isnan(model.run({"x": np.zeros(2, np.float32)})["y"]).all()
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_the_first_runs_of_many_threads_make_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: opened.append(1) or session(*a, **k))
    model = wb.load("sample:mlp", provider="auto")
    start, results = threading.Barrier(8), []

    def run() -> None:
        start.wait()
        results.append(model.run({"x": np.ones((1, 16), np.float32)})["probabilities"].tobytes())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(set(results)), len(results)) == (1, 1, 8)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_not_here_is_refused_with_the_line_that_installs_it(provider: str) -> None:
    if PROVIDERS[provider][0] in onnxruntime.get_available_providers():
        assert wb.load("sample:mlp", provider=provider, provider_options={"device_id": 0}).run(
            {"x": np.zeros((1, 16), np.float32)}
        )
        return
    with pytest.raises(MissingLibraryError, match=r"pip install 'fusion-workbench\[gpu\]'"):
        wb.load("sample:mlp", provider=provider, provider_options={"device_id": 0})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"provider": "cpu", "provider_options": {"device_id": 0}}, "has no options"),
        ({"provider": "auto", "provider_options": {"device_id": 0}}, "has no options"),
        ({"provider": "reference", "provider_options": {"device_id": 0}}, "has no options"),
        ({"provider": "cuda", "provider_options": {"device_id": [0]}}, "texts, numbers or truth values"),
        ({"provider": "cuda", "provider_options": {1: 2}}, "its names are texts"),
        ({"provider": "cuda", "provider_options": "device_id=0"}, "is not a dict"),
        ({"provider": "gpu"}, "none of 'cpu', 'cuda', 'tensorrt', 'reference', 'auto'"),
    ],
)
def test_options_of_a_provider_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        wb.load("sample:mlp", **options)


@pytest.mark.parametrize("optimization", ["disable", "basic", "extended", "all"])
@pytest.mark.parametrize("threads", [{}, {"intra_threads": 1}, {"intra_threads": 2, "inter_threads": 2}])
def test_levels_and_threads_give_the_same(optimization: str, threads: dict[str, int]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    expected = wb.load("sample:mlp").run({"x": x})["probabilities"]
    ours = wb.load("sample:mlp", optimization=optimization, **threads).run({"x": x})["probabilities"]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_options_reach_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    session = onnxruntime.InferenceSession

    def watched(model: Any, settings: Any, **more: Any) -> Any:
        seen.append((settings, more["providers"]))
        return session(model, settings, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    wb.load("sample:mlp", optimization="basic", intra_threads=3, inter_threads=2).prepare()
    settings, providers = seen[0]
    assert settings.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert (settings.intra_op_num_threads, settings.inter_op_num_threads) == (3, 2)
    assert settings.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert providers == ["CPUExecutionProvider"]


def test_nothing_is_written_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for proto in (REFUSED, UNKNOWN):
        for provider in ("cpu", "auto"):
            try:
                wb.load(proto, provider=provider).run(NUMBERS)
            except WorkbenchError:
                continue
    assert capfd.readouterr() == ("", "")


@pytest.mark.large
def test_a_model_over_two_gigabytes_runs(tmp_path: Path) -> None:
    """Its weights are a sparse file of zeros but for one element."""
    size = 23_200
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size, size], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "w.bin"), ("offset", "0"), ("length", str(4 * size * size))):
        weights.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weights])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with (tmp_path / "w.bin").open("wb") as file:
        file.seek(4 * 5)
        file.write(np.float32(3).tobytes())
        os.truncate(file.fileno(), 4 * size * size)
    model = wb.load(tmp_path / "m.onnx")
    assert model.info.nbytes > 2**31
    for one in (model, wb.load(onnx.load(tmp_path / "m.onnx"))):
        output = one.run({"x": np.ones((1, size), np.float32)})["y"]
        assert np.flatnonzero(output).tolist() == [5]
        assert output[0, 5] == 3


def test_a_proto_is_taken_apart_without_loss() -> None:
    """That is how one of over 2 GB, which protobuf cannot write, reaches ONNX Runtime."""
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.standard_normal((200, 200)).astype(np.float32), "w"),
        numpy_helper.from_array(np.ones(200, np.float32), "small"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 200]) for name in "xy")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "small"], ["y"])]
    proto = helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights, doc_string="about"), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 21)], producer_name="someone")  # fmt: skip
    written, apart = without_weights(proto)
    assert list(apart) == ["w"]
    light = onnx.load_model_from_string(written)
    assert len(written) < 5000
    light.graph.initializer[0].CopyFrom(proto.graph.initializer[0])
    assert light == proto


def test_without_onnx_runtime_auto_runs_on_the_reference_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    feeds = {"x": np.zeros((1, 16), np.float32)}
    with pytest.raises(MissingLibraryError, match="pip install"):
        wb.load("sample:mlp").run(feeds)
    for outputs in (
        wb.load("sample:mlp", provider="auto").run(feeds),
        asyncio.run(wb.load("sample:mlp", provider="auto").arun(feeds)),
    ):
        assert (outputs.provider, outputs.reason) == ("reference", "ONNX Runtime is not installed.")


def test_onnx_runtimes_own_names_are_taken() -> None:
    model = wb.load("sample:mlp", provider="CPUExecutionProvider")
    assert model.run({"x": np.zeros((1, 16), np.float32)}).provider == "cpu"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(MissingLibraryError, match="provider='cuda' needs"):
            wb.load("sample:mlp", provider="CUDAExecutionProvider")
