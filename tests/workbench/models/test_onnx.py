"""ONNX: what a model says of itself, its tensors of every dtype, and runs against the bare ONNX Runtime session."""

from __future__ import annotations

import asyncio
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.arrays import numpy_dtype
from workbench.errors import InputError, LoadError, RunError
from workbench.models import samples
from workbench.models.formats.onnx.graph import DTYPES

from ..alike import same  # noqa: TID252


def model_of(
    nodes: list[Any] = (), inputs: list[Any] = (), outputs: list[Any] = (), initializer: list[Any] = (), opset: int = 21
) -> onnx.ModelProto:  # fmt: skip
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(initializer))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def identity(dtype: int, shape: list[Any]) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, dtype, shape) for name in "xy")
    return model_of([helper.make_node("Identity", ["x"], ["y"])], [x], [y])


@pytest.mark.parametrize("code", sorted(DTYPES))
@pytest.mark.parametrize("raw", [True, False])
def test_initialisers_of_every_dtype(code: int, raw: bool) -> None:
    dtype = numpy_dtype(DTYPES[code])
    if DTYPES[code] == "string":
        values = np.array([["a", "ü"], ["", "d"], ["e", "f"]], dtype=object)
    else:
        values = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    if raw or DTYPES[code] == "string":
        proto = numpy_helper.from_array(values, "w")
    else:
        proto = helper.make_tensor("w", code, values.shape, values.reshape(-1).astype(dtype))
    tensor = wb.load(model_of(initializer=[proto])).tensors["w"]
    assert (tensor.dtype, tensor.shape, tensor.size) == (DTYPES[code], (3, 2), 6)
    assert tensor.numpy().dtype == dtype
    assert tensor.numpy().tolist() == values.tolist() or "e8m0" in tensor.dtype  # whose zero is a NaN
    assert tensor.numpy().tobytes() == values.tobytes() or DTYPES[code] == "string"
    assert tensor.slice2d(1, 1).shape == (2, 1)
    if DTYPES[code] != "string":
        assert tensor.stats().count == 6


def test_the_information_of_a_model() -> None:
    proto = onnx.load_model_from_string(samples.mlp())
    proto.producer_version, proto.domain, proto.model_version = "1.2", "org.example", 3
    proto.metadata_props.add(key="author", value="someone")
    proto.opset_import.append(helper.make_opsetid("org.example", 4))
    proto.graph.input.append(helper.make_tensor_value_info("first.bias", TensorProto.FLOAT, [32]))
    info = wb.load(proto).info
    assert [str(spec) for spec in info.inputs] == ["x: float32 [batch, 16]"]  # no initialiser among them
    assert (info.opset, info.ir_version) == ({"": 17, "org.example": 4}, 8)
    assert info.producer == "fusion-workbench 1.2"
    assert (info.parameters, info.nbytes, dict(info.dtypes)) == (676, 2704, {"float32": 2704})
    assert info.metadata["author"] == "someone"
    assert info.metadata["domain"] == "org.example"


def test_types_that_are_no_tensors_are_written_out() -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_sequence_type_proto(tensor)
    types = [sequence, helper.make_optional_type_proto(sequence), helper.make_map_type_proto(TensorProto.INT64, tensor)]
    types.append(helper.make_sparse_tensor_type_proto(TensorProto.INT8, [3]))
    inputs = [helper.make_value_info(f"x{index}", proto) for index, proto in enumerate(types)]
    info = wb.load(model_of([helper.make_node("Identity", ["x0"], ["y"])], inputs)).info
    assert [spec.dtype for spec in info.inputs] == [
        "sequence(float32)",
        "optional(sequence(float32))",
        "map(int64, float32)",
        "sparse(int8)",
    ]


def test_constants_and_tensors_inside_branches_are_listed_by_place() -> None:
    inner = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "then",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(2, np.float32), "w")],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0]),
        helper.make_node("Constant", [], ["i"], value_int=3),
        helper.make_node("Constant", [], ["s"], value_string="text"),
        helper.make_node("If", ["flag"], ["out"], name="choose", then_branch=inner, else_branch=inner),
    ]
    tensors = wb.load(model_of(nodes)).tensors
    assert list(tensors) == ["c", "i", "s", "choose.else_branch/w", "choose.then_branch/w"]
    assert tensors["c"].numpy().tolist() == [1, 2]
    assert (tensors["i"].shape, tensors["i"].numpy().tolist(), tensors["i"].origin) == ((), 3, "constant")
    assert tensors["s"].numpy().tolist() == "text"


def test_filled_tensors_larger_than_memory_cost_nothing() -> None:
    shape = numpy_helper.from_array(np.array([10**6, 10**6]), "shape")
    tensor = wb.load(
        model_of([helper.make_node("ConstantOfShape", ["shape"], ["big"])], initializer=[shape])
    ).tensors["big"]  # fmt: skip
    assert (tensor.size, tensor.nbytes) == (10**12, 4 * 10**12)
    assert tensor.slice2d(999_999, 999_990).tolist() == [[0.0] * 10]


def run_both(model: Any, feeds: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = wb.load(model)
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return ours.run(feeds), dict(zip(names, session.run(None, feeds), strict=True))


@pytest.mark.parametrize("batch", [1, 7])
def test_a_run_gives_what_the_bare_session_gives(batch: int) -> None:
    x = np.random.default_rng(0).standard_normal((batch, 16)).astype(np.float32)
    ours, bare = run_both(samples.mlp(), {"x": x})
    assert ours.keys() == bare.keys()
    assert all(same(ours[name], bare[name]) for name in bare)


def test_resnet50_runs_and_is_right() -> None:
    path = samples.available()["resnet50"].source()
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    ours = wb.load(path, optimization="disable", intra_threads=2).run({"gpu_0/data_0": x})
    bare = onnxruntime.InferenceSession(str(path)).run(None, {"gpu_0/data_0": x})
    np.testing.assert_allclose(ours["gpu_0/softmax_1"], bare[0], rtol=1e-4)


@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float64, np.int8, np.uint16, np.int64, bool, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, str],
)
def test_inputs_and_outputs_of_any_dtype_go_through(dtype: type) -> None:
    values = np.array(["a", "ü", "c"], dtype=object) if dtype is str else np.array([0, 1, 1]).astype(dtype)
    code = TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(values.dtype)
    y = wb.load(identity(code, ["n"])).run({"x": values})["y"]
    assert (y == values).all()
    assert y.dtype == values.dtype


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4])
def test_packed_inputs_go_in(code: int) -> None:
    x, y = (
        helper.make_tensor_value_info(name, kind, ["n", "m"]) for name, kind in [("x", code), ("y", TensorProto.FLOAT)]
    )
    model = wb.load(model_of([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], [x], [y]))
    values = np.array([[1, 2, 3], [4, 5, 6], [7, 0, 1]])
    assert model.run({"x": values.astype(numpy_dtype(DTYPES[code]))})["y"].tolist() == values.tolist()


def test_a_sequence_goes_in_and_comes_out() -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    x, y = (helper.make_value_info(name, kind) for name in "xy")
    feeds = {"x": [np.ones(2, np.float32), np.zeros(3, np.float32)]}
    ours, bare = run_both(model_of([helper.make_node("Identity", ["x"], ["y"])], [x], [y]), feeds)
    assert [part.tolist() for part in ours["y"]] == [part.tolist() for part in bare["y"]] == [[1, 1], [0, 0, 0]]


def test_awaited_and_by_name() -> None:
    model = wb.load("sample:mlp")
    x = np.zeros((1, 16), np.float32)
    assert asyncio.run(model.arun({"x": x}, ["probabilities"])).keys() == {"probabilities"}
    with pytest.raises(InputError, match="'probabilities'"):
        model.run({"x": x}, ["logits"])


def test_lists_numbers_and_other_byte_orders_are_taken() -> None:
    model = wb.load("sample:mlp")
    x = np.arange(16, dtype=np.float32)[None]
    expected = model.run({"x": x})["probabilities"]
    for other in (
        x.tolist(),
        x.astype(int).tolist(),
        x.astype(">f4"),
        np.asfortranarray(x),
        np.repeat(x, 2, 1)[:, ::2],
    ):
        assert same(model.run({"x": other})["probabilities"], expected)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({}, "'x' is missing.*float32 .batch, 16."),
        ({"X": 1}, "no input 'X'.*It takes x: float32"),
        ({"x": np.zeros((2, 16))}, r"x.astype\('float32'\)"),
        ({"x": np.zeros((2, 16), np.complex64)}, "would not survive"),
        ({"x": np.zeros(16, np.float32)}, "1 axis instead of 2"),
        ({"x": np.zeros((1, 15), np.float32)}, "Axis 1 has the size 15 and must have 16"),
        ({"x": [[1], [1, 2]]}, "different lengths"),
        ({"x": None}, "holds None"),
        ({"x": "text"}, "string"),
        ([1], "dict of arrays by name"),
    ],
)
def test_inputs_are_checked_before_the_run(feeds: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        wb.load("sample:mlp").run(feeds)


def test_a_cast_is_offered_only_where_the_values_survive() -> None:
    model = wb.load(identity(TensorProto.INT8, ["n"]))
    with pytest.raises(InputError, match=r"x.astype\('int8'\)"):
        model.run({"x": np.array([-128, 127])})
    with pytest.raises(InputError, match="would not survive"):
        model.run({"x": np.array([128])})
    with pytest.raises(InputError, match="would not survive"):
        model.run({"x": np.array([1.5])})


def test_an_initialiser_that_is_also_an_input_may_be_given() -> None:
    proto = onnx.load_model_from_string(samples.mlp())
    proto.graph.input.append(helper.make_tensor_value_info("second.bias", TensorProto.FLOAT, [4]))
    x, bias = np.zeros((1, 16), np.float32), np.array([0, 0, 0, 50], np.float32)
    model = wb.load(proto)
    np.testing.assert_allclose(model.run({"x": x})["probabilities"], [[0.25] * 4])
    np.testing.assert_allclose(model.run({"x": x, "second.bias": bias})["probabilities"], [[0, 0, 0, 1]], atol=1e-6)


def test_what_onnx_runtime_refuses_is_told_with_its_reason() -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
    model = wb.load(model_of([helper.make_node("NoSuchOperator", ["x"], ["y"])], [x], [y]))
    assert model.info.inputs  # it can be looked at
    with pytest.raises(LoadError, match=r"ONNX Runtime .* cannot run the given ModelProto: .*NoSuchOperator"):
        model.run({"x": np.zeros(1, np.float32)})


def test_what_fails_while_it_runs_is_told_with_its_reason() -> None:
    a, b, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
               [("a", ["n"]), ("b", ["m"]), ("y", None)])  # fmt: skip
    model = wb.load(model_of([helper.make_node("Add", ["a", "b"], ["y"])], [a, b], [y]))
    with pytest.raises(RunError, match="Add"):
        model.run({"a": np.zeros(2, np.float32), "b": np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    ("field", "value"), [("dims", [-1]), ("dims", [2**62, 2**62]), ("dims", [5]), ("data_type", 0), ("data_type", 99)]
)
def test_tensors_that_contradict_themselves(field: str, value: Any) -> None:
    proto = numpy_helper.from_array(np.ones(4, np.float32), "w")
    if isinstance(value, list):
        proto.dims[:] = value
    else:
        proto.data_type = value
    with pytest.raises(LoadError, match="not a right ONNX model"):
        wb.load(model_of(initializer=[proto]))


def test_reasons_are_without_the_places_in_onnx_runtimes_own_source() -> None:
    proto = onnx.load_model_from_string(samples.mlp())
    proto.ir_version = 99
    with pytest.raises(LoadError, match=r"cannot run the given ModelProto: Unsupported model IR version: 99") as caught:
        wb.load(proto).prepare()
    assert "onnxruntime::" not in str(caught.value)


def test_a_wrong_name_is_answered_with_the_inputs_that_are_needed() -> None:
    """ResNet-50's file lists each of its weights as an optional input."""
    with pytest.raises(InputError, match=r"It takes gpu_0/data_0: .* more optional ones") as caught:
        wb.load("sample:resnet50").run({"x": np.zeros(3)})
    assert len(str(caught.value)) < 600


def test_a_masked_input_is_refused() -> None:
    model = wb.load("sample:mlp")
    x = np.ma.masked_array(np.ones((1, 16), np.float32), mask=np.eye(1, 16))
    with pytest.raises(InputError, match="mask would be lost"):
        model.run({"x": x})
    assert model.run({"x": np.ma.masked_array(np.ones((1, 16), np.float32))})


@pytest.mark.parametrize(
    ("operator", "attributes", "name"),
    [
        ("AveragePool", {"kernel_shape": [2**62, 1]}, "kernel_shape"),
        ("Softmax", {"axis": -(2**40)}, "axis"),
        ("Conv", {"group": 0}, "group"),
        ("Attention", {"q_num_heads": 0, "kv_num_heads": 1}, "q_num_heads"),
    ],
)
@pytest.mark.parametrize("provider", ["cpu", "reference"])
def test_values_that_would_end_or_hold_up_the_process_are_refused(
    operator: str, attributes: dict[str, Any], name: str, provider: str
) -> None:
    """Some of them make ONNX Runtime divide by zero, which no handler catches."""
    inner = helper.make_graph(
        [helper.make_node(operator, ["x"], ["z"], **attributes)],
        "then",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    info = helper.make_tensor_value_info
    flag, x = info("flag", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, [1, 1, 4, 4])
    y = info("y", TensorProto.FLOAT, None)
    node = helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)
    model = wb.load(model_of([node], [flag, x], [y], opset=23), provider=provider)
    with pytest.raises(LoadError, match=f"of {operator} has {name}="):
        model.run({"flag": np.array(True), "x": np.zeros((1, 1, 4, 4), np.float32)})
