"""What a model is given: arrays of any origin and layout, lists, dicts, texts; checked, never changed silently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

import workbench as wb
from workbench.arrays import numpy_dtype
from workbench.errors import InputError, RunError


def tensor(dtype: int, shape: Any = None) -> Any:
    return helper.make_tensor_type_proto(dtype, shape)


def identity(kind: Any) -> Any:
    """Return a model that gives back its input x as y."""
    x, y = (helper.make_value_info(name, kind) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    return wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


FLOATS = identity(tensor(TensorProto.FLOAT))
TEXTS = identity(tensor(TensorProto.STRING))


@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=st.floats(width=32)
    ),
    st.sampled_from(["as it is", "big-endian", "Fortran", "every other", "backwards", "transposed", "read-only"]),
)
def test_the_layout_of_an_array_does_not_matter(array: Any, layout: str) -> None:
    x = {
        "as it is": lambda: array,
        "big-endian": lambda: array.astype(">f4"),
        "Fortran": lambda: np.asfortranarray(array),
        "every other": lambda: np.repeat(array, 2, -1)[..., ::2] if array.ndim else array,
        "backwards": lambda: array[::-1] if array.ndim else array,
        "transposed": lambda: array.T,
        "read-only": lambda: np.broadcast_to(array, (2, *array.shape)),
    }[layout]()
    y = FLOATS.run({"x": x})["y"]
    assert y.dtype == np.float32
    assert y.shape == x.shape
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(
    "value",
    [
        torch.arange(3.0),
        torch.arange(3.0, requires_grad=True),
        torch.arange(6.0)[::2] / 2,
        pd.Series([0, 1, 2], dtype="float32"),
        np.ma.masked_array(np.arange(3, dtype=np.float32)),
        memoryview(np.arange(3, dtype=np.float32)),
        [0, 1, 2],
        (0.0, True, 2),
        [np.float64(0), np.int8(1), 2],
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_numbers_is_taken(value: Any) -> None:
    if isinstance(value, range):
        value = list(value)
    assert FLOATS.run({"x": value})["y"].reshape(-1).tolist() == [0, 1, 2]


def test_a_tensor_of_a_dtype_that_numpy_lacks_is_taken() -> None:
    y = identity(tensor(TensorProto.BFLOAT16)).run({"x": torch.tensor([1.0, 2.0], dtype=torch.bfloat16)})["y"]
    assert (y.dtype, y.tolist()) == (numpy_dtype("bfloat16"), [1, 2])


def test_numbers_without_a_dtype_go_into_narrow_ones() -> None:
    assert identity(tensor(TensorProto.BFLOAT16)).run({"x": [1.5, -2]})["y"].tolist() == [1.5, -2]
    assert identity(tensor(TensorProto.FLOAT16)).run({"x": [1.5, -2]})["y"].tolist() == [1.5, -2]
    assert identity(tensor(TensorProto.BOOL)).run({"x": [True, False]})["y"].tolist() == [True, False]
    assert identity(tensor(TensorProto.UINT64)).run({"x": [2**64 - 1]})["y"].tolist() == [2**64 - 1]


@pytest.mark.parametrize(
    ("dtype", "value", "says"),
    [
        (TensorProto.FLOAT16, [1e6], "would not survive"),
        (TensorProto.FLOAT16, np.array([1e6], np.float32), "would not survive"),
        (TensorProto.FLOAT, np.array([1e300]), "would not survive"),
        (TensorProto.FLOAT, np.array([np.inf, 1.0]), r"astype\('float32'\)"),
        (TensorProto.INT64, [1.5], "would not survive"),
        (TensorProto.INT64, [2**63], "would not survive"),
        (TensorProto.INT64, [2**80], "numbers that no dtype holds"),
        (TensorProto.BOOL, [2], "would not survive"),
        (TensorProto.FLOAT, np.array([1, None]), "holds None, which is no number"),
        (TensorProto.FLOAT, np.array(["2026-11-20"], "M8[D]"), "datetime64"),
        (TensorProto.FLOAT, np.zeros(2, [("a", "f4"), ("b", "i4")]), "Give values of that dtype"),
        (TensorProto.FLOAT, {1, 2}, "a set, which is no number"),
        (TensorProto.FLOAT, (item for item in [1]), "a generator, which is no number"),
        (TensorProto.FLOAT, b"abc", "string"),
        (TensorProto.FLOAT, [torch.ones(1, requires_grad=True), torch.ones(2, requires_grad=True)], "list"),
        (TensorProto.FLOAT, torch.ones(2).to_sparse(), "Tensor that NumPy cannot take"),
        (TensorProto.FLOAT, torch.ones(2, dtype=torch.complex64), "would not survive"),
        (TensorProto.STRING, np.array(["a", None], object), "holds None, which is no text"),
        (TensorProto.STRING, np.array([b"a"], object), "a bytes, which is no text"),
        (TensorProto.STRING, np.array([b"\xff"]), "no UTF-8"),
        (TensorProto.STRING, ["\ud800"], "no UTF-8"),
        (TensorProto.STRING, np.array([1]), "int64"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_reason(dtype: int, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        identity(tensor(dtype)).run({"x": value})


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "ü", "long enough to be kept outside", ""],
        np.array(["a", "ü", "long enough to be kept outside", ""]),
        np.array([text.encode() for text in ["a", "ü", "long enough to be kept outside", ""]]),
        np.array(["a", "ü", "long enough to be kept outside", ""], np.dtypes.StringDType()),
        pd.Series(["a", "ü", "long enough to be kept outside", ""]),
    ],
    ids=["list", "U", "S", "StringDType", "Series"],
)
def test_texts_of_any_kind_go_in_whole(texts: Any) -> None:
    """ONNX Runtime itself reads past the end of bytes, and ends texts of a fixed length at their first zero."""
    assert TEXTS.run({"x": texts})["y"].tolist() == ["a", "ü", "long enough to be kept outside", ""]
    assert TEXTS.run({"x": np.array(["a\0b"])})["y"].tolist() == ["a\0b"]


SEQUENCE = helper.make_sequence_type_proto(tensor(TensorProto.FLOAT))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SEQUENCE, []),
        (SEQUENCE, [[1.0], [2, 3]]),
        (SEQUENCE, (np.ones(2, ">f4"), torch.zeros(1))),
        (helper.make_sequence_type_proto(tensor(TensorProto.STRING)), [["a"], np.array(["b", "c"])]),
        (helper.make_optional_type_proto(tensor(TensorProto.FLOAT)), [1.0, 2.0]),
        (helper.make_optional_type_proto(SEQUENCE), [[1.0], [2, 3]]),
    ],
)
@pytest.mark.parametrize("provider", ["cpu", "reference"])
def test_sequences_and_optionals_go_in_and_come_out(kind: Any, value: Any, provider: str) -> None:
    proto = identity(kind).proto
    y = wb.load(proto, provider=provider).run({"x": value})["y"]

    assert [np.asarray(item).tolist() for item in y] == [np.asarray(item).tolist() for item in value]


@pytest.mark.parametrize("kind", [tensor(TensorProto.FLOAT), SEQUENCE])
def test_an_optional_may_be_none(kind: Any) -> None:
    assert identity(helper.make_optional_type_proto(kind)).run({"x": None})["y"] is None


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (SEQUENCE, np.ones((2, 3), np.float32), "is an ndarray; give a list.*sequence.float32"),
        (SEQUENCE, [np.ones(2)], r"Input 'x\[0\]' is float64 \[2\].*astype"),
        (SEQUENCE, [[1.0], None], r"'x\[1\]' holds None"),
        (SEQUENCE, 3, "is an int; give a list"),
        (helper.make_optional_type_proto(tensor(TensorProto.FLOAT)), np.ones(2), "float64"),
        (helper.make_map_type_proto(TensorProto.INT64, tensor(TensorProto.FLOAT)), [1], "give a dict"),
        (helper.make_map_type_proto(TensorProto.INT64, tensor(TensorProto.FLOAT)), {"a": 1.0}, "the key 'a'"),
        (helper.make_map_type_proto(TensorProto.STRING, tensor(TensorProto.INT64)), {"a": 1.5}, r"x\['a'\]"),
    ],
)
def test_what_is_in_a_sequence_or_a_map_is_checked(kind: Any, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        identity(kind).run({"x": value})


@pytest.mark.parametrize("keys", ["int64", "string"])
def test_a_map_goes_in(keys: str) -> None:
    """A dict of features becomes a vector, in the order of the operator's vocabulary."""
    code = TensorProto.INT64 if keys == "int64" else TensorProto.STRING
    vocabulary = {"int64_vocabulary": [7, 8, 9]} if keys == "int64" else {"string_vocabulary": ["p", "q", "r"]}
    x = helper.make_value_info("x", helper.make_map_type_proto(code, tensor(TensorProto.FLOAT)))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", **vocabulary)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph([node], "g", [x], [y])
    model = wb.load(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    assert [spec.dtype for spec in model.info.inputs] == [f"map({keys}, float32)"]
    first, last = (7, 9) if keys == "int64" else ("p", "r")
    assert model.run({"x": {last: 3, first: np.float32(1.5)}})["y"].reshape(-1).tolist() == [1.5, 0, 3]


def test_sizes_that_should_agree_are_named_when_the_run_fails() -> None:
    a, b, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows"]) for name in "aby")
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", [a, b], [y])
    model = wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert model.run({"a": np.ones(3, np.float32), "b": np.ones(1, np.float32)})["y"].tolist() == [2, 2, 2]
    with pytest.raises(RunError, match="'rows' is 2 in 'a' and 3 in 'b'"):
        model.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4", "float4_e2m1fn"])
def test_arrays_of_dtypes_that_numpy_lacks_keep_to_the_same_rules(dtype: str) -> None:
    code = helper.np_dtype_to_tensor_dtype(numpy_dtype(dtype))
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(numpy_dtype(dtype))
    model = wb.load(identity(tensor(code, ["n", 3])).proto, provider="auto")
    for array in (values, values[::-1], values[:, ::-1], values[:0]):
        y = model.run({"x": array})["y"]
        assert y.dtype == array.dtype
        assert y.tolist() == array.tolist()
    with pytest.raises(InputError, match=r"is float32 \[2, 3\]; the model takes x: .*int4|astype\(ml_dtypes.*"):
        model.run({"x": np.ones((2, 3), np.float32)})
    with pytest.raises(InputError, match="Axis 1 has the size 2"):
        model.run({"x": values[:, :2]})


def test_a_run_that_fails_on_a_sequence_is_our_error() -> None:
    x = helper.make_value_info("x", SEQUENCE)
    at = helper.make_tensor_value_info("at", TensorProto.INT64, [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("SequenceAt", ["x", "at"], ["y"])], "g", [x, at], [y])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    for provider in ("cpu", "auto", "reference"):
        model = wb.load(proto, provider=provider)
        assert model.run({"x": [[1.0], [2, 3]], "at": 1})["y"].tolist() == [2, 3]
        with pytest.raises(RunError):
            model.run({"x": [[1.0], [2, 3]], "at": 7})
