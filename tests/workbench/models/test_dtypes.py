"""Every dtype that ONNX stores, in each way that it does: read as the onnx package wrote it, under its own name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.arrays import DTYPE_BITS, numpy_dtype
from workbench.models.formats.onnx.graph import DTYPES
from workbench.models.tensor import Tensor

CODES = {name: code for code, name in DTYPES.items() if code in TensorProto.DataType.values()}


def stored(proto: TensorProto) -> Tensor:
    """Return the only tensor of a model that has it as a weight."""
    proto.name = "w"
    output = helper.make_tensor_value_info("y", proto.data_type, None)
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [proto])
    return wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)).tensors["w"]


def test_all_dtypes_of_onnx_are_known() -> None:
    assert set(CODES.values()) == set(TensorProto.DataType.values()) - {0}


@settings(deadline=None)  # the first call loads the compiler
@given(st.sampled_from(sorted(set(CODES) - {"string"})), st.data())
def test_raw_bytes_of_any_dtype_and_shape(dtype: str, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 5), max_size=3))
    target = numpy_dtype(dtype)
    count = int(np.prod(shape))
    top = 1 if dtype == "bool" else (1 << min(DTYPE_BITS[dtype], 8)) - 1
    octets = data.draw(
        st.lists(st.integers(0, top), min_size=count * target.itemsize, max_size=count * target.itemsize)
    )
    array = np.array(octets, np.uint8).view(target).reshape(shape)
    tensor = stored(numpy_helper.from_array(array))
    assert (tensor.dtype, tensor.shape) == (dtype, tuple(shape))
    assert tensor.nbytes == -(-DTYPE_BITS[dtype] * count // 8)
    assert tensor.numpy().dtype == target
    with np.errstate(invalid="ignore"):  # signalling NaN
        expected, found = array.astype(np.complex128), tensor.numpy().astype(np.complex128)
    np.testing.assert_array_equal(found, expected)
    finite = np.abs(expected[np.isfinite(expected)])
    assert tensor.stats().finite == finite.size
    if finite.size:
        assert tensor.stats().absmax == pytest.approx(finite.max())


@pytest.mark.parametrize("dtype", sorted(set(CODES) - {"string"}))
def test_values_in_fields(dtype: str) -> None:
    """What ``helper.make_tensor`` writes without ``raw``: in float_data, int32_data, int64_data and so on."""
    values = [0, 1, 1, 0, 1]
    tensor = stored(helper.make_tensor("w", CODES[dtype], [5], values))
    # the scale e8m0 has no zero: its least number stands for it
    got = [abs(value) > 0.5 for value in tensor.numpy().astype(np.complex64).tolist()]
    assert got == [bool(value) for value in values]
    assert tensor.dtype == dtype


@given(st.lists(st.text(max_size=4), max_size=5))
@example(["\0", "a\0"])
def test_texts(texts: list[str]) -> None:
    # without helper.make_tensor, which drops a zero at the end
    data = [text.encode() for text in texts]
    tensor = stored(TensorProto(name="w", data_type=TensorProto.STRING, dims=[len(texts)], string_data=data))
    assert tensor.dtype == "string"
    assert tensor.numpy().tolist() == texts
    assert CODES["string"] == onnx.TensorProto.STRING


@pytest.mark.parametrize("location", ["inside", "outside"])
def test_packed_elements_outside_the_file_are_those_inside(location: str, tmp_path: object) -> None:
    """An odd number of 4-bit elements, of which the last fills half a byte."""
    array = np.arange(-8, 7).astype(numpy_dtype("int4")).reshape(3, 5)
    proto = numpy_helper.from_array(array, "w")
    output = helper.make_tensor_value_info("y", TensorProto.INT4, [3, 5])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [proto])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = f"{tmp_path}/m.onnx"
    onnx.save(model, path, save_as_external_data=location == "outside", size_threshold=0, location="w.bin")
    tensor = wb.load(path).tensors["w"]
    assert tensor.numpy().astype(int).tolist() == array.astype(int).tolist()
    assert tensor.slice2d(1, 1, height=2, width=3).astype(int).tolist() == array.astype(int)[1:3, 1:4].tolist()
