"""What a run costs: MACs against known models and against definitions, activations against what is really computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.errors import InputError, RunError
from workbench.models.model import Model

LIGHT = Path(onnx.__path__[0], "backend/test/data/light")


def model_of(
    nodes: Sequence[Any],
    inputs: dict[str, Sequence[Any]],
    weights: dict[str, np.ndarray],
    outputs: str = "y",
    **kwargs: Any,
) -> Model:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", kwargs.pop("opset", 21)), helper.make_opsetid("own", 1)]
    return wb.load(helper.make_model(graph, opset_imports=opsets, ir_version=10, **kwargs))


def one(op: str, *shapes: Sequence[int], **attributes: Any) -> int:
    """Return the MACs of one node whose inputs have these shapes."""
    names = [f"i{place}" for place in range(len(shapes))]
    opset = attributes.pop("opset", 21)
    node = helper.make_node(op, names, ["y"], **attributes)
    return model_of([node], dict(zip(names, shapes, strict=True)), {}, opset=opset).cost().macs


@pytest.mark.parametrize(
    ("sample", "giga"), [("resnet50", 4.09), ("vgg19", 19.6), ("densenet121", 2.83), ("squeezenet", 0.349)]
)
def test_known_models_have_their_known_macs(sample: str, giga: float) -> None:
    cost = wb.load(f"sample:{sample}").cost()
    assert cost.macs == pytest.approx(giga * 1e9, rel=0.005)
    assert cost.untold == ()
    assert cost.peak_nbytes < cost.activation_nbytes


@pytest.mark.parametrize(
    ("macs", "expected"),
    [
        (lambda: one("MatMul", (5, 7, 3), (5, 3, 4)), 5 * 7 * 3 * 4),
        (lambda: one("MatMul", (2, 1, 7, 3), (5, 3, 4)), 2 * 5 * 7 * 3 * 4),
        (lambda: one("MatMul", (3,), (3, 4)), 12),
        (lambda: one("Gemm", (3, 8), (8, 5)), 120),
        (lambda: one("Gemm", (8, 3), (5, 8), transA=1, transB=1), 120),
        (lambda: one("Conv", (2, 4, 9, 9), (6, 4, 3, 3)), 2 * 6 * 7 * 7 * 4 * 9),
        (lambda: one("Conv", (2, 4, 9, 9), (6, 2, 3, 3), group=2, strides=[2, 2]), 2 * 6 * 4 * 4 * 2 * 9),
        (lambda: one("Conv", (1, 4, 9), (4, 1, 3), group=4, pads=[1, 1]), 4 * 9 * 3),
        (lambda: one("ConvTranspose", (1, 4, 5, 5), (4, 2, 3, 3)), 4 * 25 * 2 * 9),
        (lambda: one("Einsum", (2, 3, 4), (2, 4, 5), equation="bij,bjk->bik"), 2 * 3 * 4 * 5),
        (lambda: one("Einsum", (2, 6, 3, 4), (4, 5), equation="...ij,jk->...ik"), 12 * 3 * 4 * 5),
        (lambda: one("Einsum", (3, 4), equation="ij->i"), 0),
        (lambda: one("LSTM", (7, 2, 5), (1, 12, 5), (1, 12, 3), hidden_size=3), 14 * (12 * 5 + 12 * 3)),
        (lambda: one("Attention", (2, 4, 7, 8), (2, 4, 9, 8), (2, 4, 9, 6), opset=23), 2 * 4 * 7 * 9 * (8 + 6)),
        (lambda: one("Relu", (3, 8)), 0),
    ],
)
def test_macs_by_definition(macs: Any, expected: int) -> None:
    assert macs() == expected


def test_attention_as_exporters_write_it_is_followed_through_its_computed_shapes() -> None:
    """Shape, Gather, Div and Concat tell the shape of a Reshape: heads of 8 from a width that is divided."""
    width, heads = 32, 4
    ints = {"zero": 0, "one": 1, "two": 2, "heads": heads}
    weights = {name: np.array([value], np.int64) for name, value in ints.items()}
    weights |= {name: np.ones((width, width), np.float32) for name in ("wq", "wk")}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        *(
            helper.make_node("Gather", ["shape", place], [name])
            for place, name in [("zero", "batch"), ("one", "length"), ("two", "width")]
        ),
        helper.make_node("Div", ["width", "heads"], ["head"]),
        helper.make_node("Concat", ["batch", "length", "heads", "head"], ["split"], axis=0),
    ]
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1])):
        nodes += [
            helper.make_node("MatMul", ["x", f"w{name}"], [f"{name}0"]),
            helper.make_node("Reshape", [f"{name}0", "split"], [f"{name}1"]),
            helper.make_node("Transpose", [f"{name}1"], [f"{name}2"], perm=order),
        ]
    nodes.append(helper.make_node("MatMul", ["q2", "k2"], ["y"], name="scores"))
    model = model_of(nodes, {"x": ["batch", "sequence", width]}, weights)
    cost = model.cost(batch=2, sequence=10)
    assert cost.untold == ()
    assert cost.macs == 2 * (2 * 10 * width * width) + 2 * heads * 10 * 10 * 8
    scores = cost.nodes[-1]
    assert (scores.name, scores.shape) == ("scores", (2, heads, 10, 10))
    assert model.run({"x": np.ones((2, 10, width), np.float32)})["y"].shape == scores.shape
    assert model.cost({"x": (2, 10, width)}) == model.cost({"x": np.ones((2, 10, width), np.float32)}) == cost


def test_activations_are_the_bytes_of_all_outputs_and_the_peak_is_what_lives_together() -> None:
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in ("xa", "ab", "by")]
    cost = model_of(nodes, {"x": [100]}, {}).cost()
    assert (cost.activation_nbytes, cost.peak_nbytes) == (1200, 800)
    nodes = [helper.make_node("Relu", ["x"], [name]) for name in "abc"] + [helper.make_node("Sum", [*"abc"], ["y"])]
    assert model_of(nodes, {"x": [100]}, {}).cost().peak_nbytes == 1600


def test_functions_of_the_file_are_counted_where_they_are_called() -> None:
    opset = [helper.make_opsetid("", 21)]
    body = [helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["d"])]
    function = helper.make_function("own", "Layer", ["a", "b"], ["d"], body, opset)
    nodes = [
        helper.make_node("Layer", ["x", "w"], ["h"], domain="own"),
        helper.make_node("Layer", ["h", "w"], ["y"], domain="own"),
    ]
    model = model_of(nodes, {"x": [3, 4]}, {"w": np.ones((4, 4), np.float32)}, functions=[function])
    assert model.cost().macs == 2 * 3 * 4 * 4
    assert model.info.operators == {"own.Layer": 2}
    assert model.info.functions == ("own.Layer",)


def test_what_cannot_be_told_is_said_and_the_rest_counted() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("NonZero", ["h"], ["where"]),
        helper.make_node("Cast", ["where"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["w2", "floats"], ["y"], name="last"),
        helper.make_node("Strange", ["h"], ["z"], domain="own"),
    ]
    weights = {"w": np.ones((4, 4), np.float32), "w2": np.ones((5, 2), np.float32)}
    cost = model_of(nodes, {"x": [3, 4]}, weights, "y z").cost()
    assert cost.macs == 48
    assert any("MatMul 'last'" in sentence and "'floats'" in sentence for sentence in cost.untold)
    assert any("own.Strange" in sentence for sentence in cost.untold)
    assert cost.to_pandas()["macs"].isna().sum() == 2
    for sentence in cost.untold:
        assert sentence in repr(cost)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, r"model\.cost\(batch=1\)"),
        ({"bach": 1}, "Did you mean 'batch'"),
        ({"batch": -1}, "no size"),
        ({"inputs": {"y": (1, 16)}}, "no input 'y'"),
        ({"inputs": {"x": (1, 17)}}, "does not fit"),
        ({"inputs": {"x": (1,)}}, "does not fit"),
        ({"inputs": {"x": (2, 16)}, "batch": 3}, "does not fit"),
    ],
)
def test_open_dimensions_and_wrong_shapes_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        wb.load("sample:mlp").cost(**arguments)


def test_a_graph_that_contradicts_itself_and_a_model_without_one() -> None:
    (sentence,) = model_of([helper.make_node("MatMul", ["x", "x"], ["y"])], {"x": [3, 4]}, {}).cost().untold
    assert "do not fit" in sentence
    with pytest.raises(RunError, match="cannot be told"):
        call = helper.make_node("Layer", ["x"], ["y"], domain="own")
        endless = helper.make_function("own", "Layer", ["x"], ["y"], [call], [helper.make_opsetid("own", 1)])
        model_of([call], {"x": [3]}, {}, functions=[endless]).cost()
    with pytest.raises(RunError, match=r"no graph.*to_onnx"):
        wb.load("sample:tiny-bert").cost()


def test_large_weights_are_not_read_nor_copied() -> None:
    """A matrix of 4 GB, of which only the shape is known."""
    weight = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[1 << 15, 1 << 15], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value="w.bin")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 1 << 15]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    assert wb.load(proto).cost().macs == 2 << 30


def test_text_and_html_say_the_same() -> None:
    cost = wb.load("sample:resnet50").cost()
    for shown in (repr(cost), cost._repr_html_()):
        for word in ("4.09", "Conv", "53", "150 MB", "[1, 3, 224, 224]"):
            assert word in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert repr(cost) == repr(wb.load("sample:resnet50").cost())
    assert cost.to_pandas()["macs"].sum() == cost.macs


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_light_model_of_onnx_is_told_in_full(path: Path) -> None:
    cost = wb.load(path).cost()
    assert cost.macs > 0
    assert cost.untold == ()


def test_inputs_that_are_no_dict_are_named() -> None:
    with pytest.raises(InputError, match="inputs=3 is no dict"):
        wb.load("sample:mlp").cost(3)
