"""Bytes become tensors where they lie; what does not fit is said with the numbers."""

from __future__ import annotations

import array
import ctypes
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.arrays import DTYPE_BITS, element_count, numpy_dtype, stored_nbytes
from workbench.errors import InputError

SIX = np.arange(6, dtype=np.float32)


def mapped(path: Path, access: int) -> mmap.mmap:
    path.write_bytes(SIX.tobytes())
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0, access=access)


@pytest.mark.parametrize(
    ("make", "source", "shared"),
    [
        (lambda raw, path: raw, "bytes", False),
        (lambda raw, path: bytearray(raw), "bytearray", True),
        (lambda raw, path: memoryview(bytearray(raw)), "memoryview", True),
        (lambda raw, path: memoryview(bytearray(raw)).toreadonly(), "memoryview", False),
        (lambda raw, path: array.array("f", raw), "array.array", True),
        (lambda raw, path: array.array("B", raw), "array.array", True),
        (lambda raw, path: mapped(path, mmap.ACCESS_READ), "mmap", False),
        (lambda raw, path: mapped(path, mmap.ACCESS_WRITE), "mmap", True),
        (lambda raw, path: mapped(path, mmap.ACCESS_COPY), "mmap", True),
        (lambda raw, path: np.frombuffer(bytearray(raw), np.uint8), "NumPy", True),
        (lambda raw, path: np.frombuffer(bytearray(raw), "V4"), "NumPy", True),
        (lambda raw, path: torch.tensor(list(raw), dtype=torch.uint8), "torch cpu", True),
        (lambda raw, path: (ctypes.c_float * 6).from_buffer_copy(raw), "c_float_Array_6", True),
        (lambda raw, path: (ctypes.c_ubyte * 24).from_buffer_copy(raw), "c_ubyte_Array_24", True),
        (lambda raw, path: memoryview(bytes(8) + raw)[8:], "memoryview", False),
        (lambda raw, path: memoryview(bytearray(8) + raw)[8:], "memoryview", True),
    ],
)
def test_any_buffer_of_bytes(bridge: wb.TorchBridge, tmp_path: Path, make: Any, source: str, shared: bool) -> None:
    buffer = make(SIX.tobytes(), tmp_path / "six")
    tensor = bridge.tensor(buffer, (2, 3), "float32")
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]
    (transfer,) = bridge.share_report()
    assert (transfer.source, transfer.target, transfer.shared) == (source, "torch cpu", shared)
    assert (transfer.dtype, transfer.shape, transfer.nbytes) == ("float32", (2, 3), 24)

    tensor[0, 0] = 9
    now = bridge.tensor(buffer, -1, "float32")
    assert now[0] == (9 if shared else 0)


def test_a_file_mapped_copy_on_write_is_shared_and_not_changed(bridge: wb.TorchBridge, tmp_path: Path) -> None:
    tensor = bridge.tensor(mapped(tmp_path / "six", mmap.ACCESS_COPY), dtype="float32")
    tensor += 1
    assert tensor.tolist() == [1, 2, 3, 4, 5, 6]
    assert (tmp_path / "six").read_bytes() == SIX.tobytes()
    memory = np.memmap(tmp_path / "six", np.float32, mode="c")
    assert bridge.tensor(memory).data_ptr() == memory.ctypes.data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "uint8"])
def test_read_only_memory_is_shared_if_that_is_said(bridge: wb.TorchBridge, dtype: str) -> None:
    raw = SIX.tobytes()
    tensor = bridge.tensor(raw, (3, -1), dtype, readonly="share", copy=False)
    assert tensor.data_ptr() == np.frombuffer(raw, np.uint8).ctypes.data
    assert bridge.to_bytes(tensor) == raw
    strided = np.broadcast_to(SIX, (2, 6))[:, ::2]
    assert torch.equal(bridge.to_torch(strided, readonly="share"), torch.tensor(strided.tolist()))
    assert all(transfer.shared and "read-only" in transfer.why for transfer in list(bridge.share_report())[::2])


@settings(deadline=None)
@given(st.sampled_from(sorted(DTYPE_BITS)), st.lists(st.integers(0, 5), max_size=3).map(tuple), st.data())
def test_bytes_fit_exactly_or_are_refused(name: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    bridge = wb.TorchBridge()
    needed = stored_nbytes(name, element_count(shape))
    nbytes = data.draw(st.one_of(st.just(needed), st.integers(0, 2 * needed + 2)))
    buffer = bytearray(nbytes)
    if nbytes == needed:
        tensor = bridge.tensor(buffer, shape, name)
        assert tuple(tensor.shape) == shape
        assert tensor.element_size() == bridge.dtypes[name].itemsize
        assert bridge.to_bytes(tensor, name) == bytes(buffer)
    else:
        with pytest.raises(InputError, match=f"needs {needed} bytes .* has {nbytes}: {abs(needed - nbytes)} too"):
            bridge.tensor(buffer, shape, name)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((2, 4), "float32", r"needs 32 bytes .*has 24: 8 too few"),
        ((2, 2), "float32", r"has 24: 8 too many.*memoryview\(buffer\)"),
        ((5, -1), "float32", r"a multiple of 5 elements, and bytearray has 6"),
        ((0, -1), "float32", "holds no element"),
        ((-1, -1), "float32", "at most one is -1"),
        ((-2, 3), "float32", "sizes are 0 or more"),
        ((2.0, 3), "float32", "whole numbers"),
        ("23", "float32", "whole numbers"),
        (None, "float64x", r"Did you mean 'float64'"),
        (None, [("a", "f4")], "no dtype"),
        (None, "<U6", "no tensors of dtype <U6"),
        (None, "M8[s]", "integers"),
        (None, object, "no tensors of dtype object"),
        (None, np.longdouble, "float64"),
        (None, torch.complex32, r"\.to\(torch\.complex64\)"),
        (None, torch.quint8, "dequantize"),
        ((1 << 70, 1 << 70), "float32", "too few"),
    ],
)
def test_what_does_not_fit(bridge: wb.TorchBridge, shape: Any, dtype: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bridge.tensor(bytearray(24), shape, dtype)
    assert not bridge.share_report()


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("float32", "float32"), (np.int8, "int8"), (torch.bfloat16, "bfloat16"), (float, "float64"), ("<f2", "float16")],
)
def test_a_dtype_has_any_of_its_names(bridge: wb.TorchBridge, dtype: Any, name: str) -> None:
    assert str(bridge.tensor(bytearray(16), dtype=dtype).dtype) == f"torch.{name}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], r"np\.asarray\(value, dtype='float32'\)"),
        (3, r"torch\.tensor\(value\)"),
        ("model.bin", r"np\.memmap\(path, mode='c'\)"),
        (Path("model.bin"), r"np\.memmap"),
        (None, "Pass a buffer"),
        (np.ma.masked_array([1, 2], [0, 1]), "filled"),
        (np.array(["a"]), "Encode"),
        (np.array([None]), "astype"),
        (np.zeros(2, [("a", "f4")]), "one of its fields"),
        (np.zeros(2, "V2"), "dtype='bfloat16'"),
        (torch.zeros(2).to_sparse(), r"to_dense"),
        (torch.zeros(2, device="meta"), "meta"),
    ],
)
def test_what_holds_no_elements(bridge: wb.TorchBridge, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bridge.tensor(value)


@pytest.mark.parametrize("value", [np.zeros(2, np.int32), torch.zeros(2, dtype=torch.int32), array.array("i", [0, 0])])
def test_elements_are_not_taken_for_others(bridge: wb.TorchBridge, value: Any) -> None:
    with pytest.raises(InputError, match=r"whose elements are int32 \(2,\).*\.view\('uint8'\)"):
        bridge.tensor(value, dtype="float32")
    assert bridge.tensor(value, dtype="int32").tolist() == [0, 0]


def test_bytes_in_rows_need_a_shape(bridge: wb.TorchBridge) -> None:
    for value in (np.zeros((4, 6), np.uint8), memoryview(bytearray(24)).cast("B", (4, 6))):
        with pytest.raises(InputError, match=r"uint8 \(4, 6\).*and the shape"):
            bridge.tensor(value, dtype="float32")
        assert bridge.tensor(value, (3, 2), "float32").tolist() == [[0, 0]] * 3
        assert tuple(bridge.tensor(value).shape) == (4, 6)


def test_options_are_what_they_are_called(bridge: wb.TorchBridge) -> None:
    for options in ({"copy": "no"}, {"readonly": True}, {"device": object()}):
        with pytest.raises(InputError, match=r"received|There is no device"):
            bridge.tensor(bytearray(4), **options)
    with pytest.raises(InputError, match="to_dense"):
        bridge.tensor(torch.zeros(2, 2).to_sparse(), 4)


def test_memory_that_is_gone(bridge: wb.TorchBridge) -> None:
    closed = mmap.mmap(-1, 16)
    closed.close()
    released = memoryview(bytearray(16))
    released.release()
    for value in (closed, released):
        with pytest.raises(InputError, match="no memory any more"):
            bridge.tensor(value)


def test_bool_is_0_or_1(bridge: wb.TorchBridge) -> None:
    assert bridge.tensor(bytearray([0, 1, 1]), dtype="bool").tolist() == [False, True, True]
    with pytest.raises(InputError, match=r"has the byte 7"):
        bridge.tensor(bytearray([0, 7]), dtype="bool")


def test_packed_values_leave_only_where_they_fit(bridge: wb.TorchBridge) -> None:
    values = bridge.tensor(b"\x21\x43", (2, 2), "int4")
    assert values.dtype == torch.int8
    assert values.tolist() == [[1, 2], [3, 4]]
    assert bridge.to_bytes(values, "int4") == b"\x21\x43"
    values[1, 0] = 8
    with pytest.raises(InputError, match=r"int4 cannot hold 8, at \(1, 0\), and 1 of 4"):
        bridge.to_bytes(values, "int4")
    with pytest.raises(InputError, match="uint4 is taken from uint8"):
        bridge.to_numpy(values, "uint4")
    with pytest.raises(InputError, match="cannot hold nan"):
        bridge.to_numpy(torch.tensor([float("nan")], dtype=torch.float16), "float4_e2m1fn")


def test_a_new_shape_of_strides_that_cannot_have_it_is_a_copy(bridge: wb.TorchBridge) -> None:
    array = np.arange(6.0).reshape(2, 3).T
    for value in (array, torch.from_numpy(array)):
        assert bridge.tensor(value, 6).tolist() == [0, 3, 1, 4, 2, 5]
        assert "new shape" in bridge.share_report()[-1].why
        assert not bridge.share_report()[-1].shared
        with pytest.raises(InputError, match="new shape"):
            bridge.tensor(value, 6, copy=False)


def test_a_copy_is_made_where_it_is_asked_for(bridge: wb.TorchBridge) -> None:
    for value in (bytearray(8), np.zeros(8, np.uint8), torch.zeros(8, dtype=torch.uint8)):
        tensor = bridge.tensor(value, copy=True)
        tensor += 1
        assert not any(bytearray(value) if isinstance(value, bytearray) else value.tolist())
        assert bridge.share_report()[-1].why == "a copy was asked for"


def test_every_dtype_says_what_torch_holds_it_as(bridge: wb.TorchBridge) -> None:
    assert list(bridge.dtypes) == list(DTYPE_BITS)
    for name, entry in bridge.dtypes.items():
        assert entry.torch.itemsize == entry.itemsize
        assert entry.packed == (entry.held_as != name)
        held = torch.ones(2, dtype=entry.torch)
        assert held.clone().to(torch.complex128 if held.is_complex() else torch.float64).tolist() == [1, 1]
        assert f"\n{name} " in f"\n{bridge.dtypes!r}"
        assert f">{name}</td>" in bridge.dtypes._repr_html_()
        assert numpy_dtype(name).itemsize == max(entry.bits, 8) // 8
