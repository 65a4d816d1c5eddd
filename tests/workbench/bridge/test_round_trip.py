"""Any dtype, shape and layout crosses the bridge and back with the same bits, shared where the report says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.arrays import DTYPE_BITS, element_count, numpy_dtype
from workbench.models.packed import pack

Array = np.ndarray[Any, Any]

PACKED = sorted(name for name, bits in DTYPE_BITS.items() if bits < 8)
WHOLE = sorted(set(DTYPE_BITS) - set(PACKED))


def unaligned(array: Array) -> Array:
    memory = bytearray(array.nbytes + 1)
    moved = np.frombuffer(memory, array.dtype, array.size, offset=1).reshape(array.shape)
    moved[...] = array
    return moved


def spread(array: Array) -> Array:
    """Return the same elements with gaps between them, along each axis."""
    wide = np.zeros([2 * size for size in array.shape], array.dtype)
    shown = wide[(*((slice(None, None, 2),) * array.ndim), ...)]
    shown[...] = array
    return shown


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def in_a_record(array: Array) -> Array:
    """Return a field of a record: strides that are no multiple of an element, but for elements of one byte."""
    records = np.zeros(array.shape, [("tag", np.uint8), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


def repeated(array: Array) -> Array:
    """Return the same memory three times, which may be written to."""
    plain = array.copy().view(f"V{array.itemsize}")  # as_strided does not know float8
    shown: Array = np.lib.stride_tricks.as_strided(plain, (3, *plain.shape), (0, *plain.strides)).view(array.dtype)
    return shown


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.copy,
    "Fortran": lambda array: np.array(array, order="F"),
    "transposed": lambda array: array.copy().T,
    "strided": spread,
    "negative": lambda array: np.flip(np.flip(array).copy()),
    "broadcast": lambda array: np.broadcast_to(array, (3, *array.shape)),
    "repeated": repeated,
    "unaligned": unaligned,
    "record": in_a_record,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")) if array.dtype.isbuiltin == 1 else array,
    "read-only": read_only,
}
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def arrays(draw: st.DrawFn, names: list[str], layouts: list[str]) -> Array:
    """Draw an array of any bits, as NumPy has it."""
    name, shape = draw(st.sampled_from(names)), draw(shapes)
    dtype, count = numpy_dtype(name), element_count(shape)
    raw = np.frombuffer(draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize)), np.uint8)
    if name == "bool" or DTYPE_BITS[name] < 8:
        raw = raw & (1 if name == "bool" else (1 << DTYPE_BITS[name]) - 1)
    return LAYOUTS[draw(st.sampled_from(layouts))](raw.view(dtype).reshape(shape))


def bits_of_array(array: Array) -> bytes:
    native = array.astype(array.dtype.newbyteorder("=")) if array.dtype.isbuiltin != 2 else array
    return native.tobytes()


def bits_of_tensor(tensor: torch.Tensor) -> bytes:
    """Return the bytes in C order, by torch alone."""
    flat = tensor.reshape(-1)
    return bytes(flat.clone(memory_format=torch.contiguous_format).view(torch.uint8).tolist()) if flat.numel() else b""


def start(value: torch.Tensor | Array) -> int:
    return int(value.data_ptr() if isinstance(value, torch.Tensor) else value.__array_interface__["data"][0])


@settings(deadline=None)
@given(arrays(WHOLE, sorted(LAYOUTS)))
def test_a_whole_dtype_keeps_its_bits_both_ways(array: Array) -> None:
    bridge = wb.TorchBridge()
    tensor = bridge.tensor(array)
    assert tuple(tensor.shape) == array.shape
    assert str(tensor.dtype) == f"torch.{array.dtype.name}"
    assert bits_of_tensor(tensor) == bits_of_array(array)
    if array.size:
        assert bridge.share_report()[-1].shared == (start(tensor) == start(array))

    back = bridge.to_numpy(tensor)
    assert back.dtype == numpy_dtype(array.dtype.name)
    assert bits_of_array(back) == bits_of_array(array)
    if array.size:
        assert bridge.share_report()[-1].shared
        assert start(back) == start(tensor)

    stored = bridge.to_bytes(tensor)
    assert stored == bits_of_array(array)
    again = bridge.tensor(stored, array.shape, array.dtype.name)
    assert bits_of_tensor(again) == stored


@settings(deadline=None)
@given(arrays(PACKED, sorted(set(LAYOUTS) - {"unaligned", "big-endian"})))
def test_a_packed_dtype_keeps_its_values_both_ways(array: Array) -> None:
    bridge, name = wb.TorchBridge(), array.dtype.name
    tensor = bridge.tensor(array)
    assert tensor.dtype == bridge.dtypes[name].torch
    assert np.array_equal(tensor.double().numpy(), array.astype(np.float64))
    assert not bridge.share_report()[-1].shared

    assert bridge.to_numpy(tensor, name).tobytes() == array.tobytes()
    stored = bridge.to_bytes(tensor, name)
    assert stored == pack(array, name).tobytes()
    assert torch.equal(bridge.tensor(stored, array.shape, name), tensor)


@settings(deadline=None)
@given(arrays(WHOLE, ["C", "Fortran", "strided", "transposed"]).filter(lambda array: array.size > 0))
def test_a_write_through_either_side_is_seen_on_the_other(array: Array) -> None:
    bridge = wb.TorchBridge()
    tensor, first = bridge.tensor(array), (0,) * array.ndim
    before = array[first].tobytes()
    other = (~np.frombuffer(before, np.uint8) & (1 if array.dtype == bool else 255)).tobytes()

    tensor[first] = bridge.tensor(other, (), array.dtype.name)
    assert array[first].tobytes() == other

    bridge.to_numpy(tensor)[first] = np.frombuffer(before, array.dtype)[0]
    assert bits_of_tensor(tensor[first]) == before


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int64", "complex128", "uint16"])
@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ("C", None),
        ("Fortran", None),
        ("transposed", None),
        ("strided", None),
        ("repeated", None),
        ("negative", "negative strides"),
        ("record", "no multiple of an element"),
        ("unaligned", "not aligned"),
        ("broadcast", "read-only"),
        ("read-only", "read-only"),
    ],
)
def test_which_layouts_are_shared(bridge: wb.TorchBridge, name: str, layout: str, why: str | None) -> None:
    array = LAYOUTS[layout](np.arange(6).astype(numpy_dtype(name)).reshape(2, 3))
    tensor = bridge.tensor(array)
    assert (start(tensor) == start(array)) == (why is None)
    (transfer,) = bridge.share_report()
    assert transfer.shared == (why is None)
    assert (why or "the same memory") in transfer.why
    if why:
        with pytest.raises(wb.WorkbenchError, match=why):
            bridge.tensor(array, copy=False)


@pytest.mark.parametrize("readonly", ["copy", "share"])
def test_strides_that_lead_nowhere_are_no_obstacle(bridge: wb.TorchBridge, readonly: Any) -> None:
    for array in (np.arange(5.0)[:, None][:, ::-1], np.arange(5.0)[None][::-1], np.arange(1.0)[::-1], np.ones((0, 3))):
        assert array.flags.c_contiguous
        assert bridge.to_torch(array, readonly=readonly).tolist() == array.tolist()
        assert bridge.to_torch(read_only(array), readonly=readonly).tolist() == array.tolist()


def test_big_endian_is_turned_round(bridge: wb.TorchBridge) -> None:
    array = np.array([1.5, -2.0], ">f4")
    assert bridge.tensor(array).tolist() == [1.5, -2.0]
    assert bridge.tensor(bytearray(array.tobytes()), dtype=">f4").tolist() == [1.5, -2.0]
    assert all("big-endian" in transfer.why for transfer in bridge.share_report())


@pytest.mark.parametrize("layout", ["C", "negative", "big-endian", "read-only"])
def test_large_arrays_cross_too(bridge: wb.TorchBridge, layout: str) -> None:
    array = LAYOUTS[layout](np.arange(1 << 20, dtype=np.float32).reshape(1024, 1024))
    tensor = bridge.tensor(array)
    assert np.array_equal(tensor.numpy(), array)
    assert bridge.share_report()[-1].shared == (layout == "C")
    assert bridge.pool.blocks == (0 if layout == "C" else 1)


@settings(deadline=None)
@given(arrays([name for name in WHOLE if numpy_dtype(name).isbuiltin == 1], ["C", "Fortran", "strided"]))
def test_dlpack_goes_on_from_either_side(array: Array) -> None:
    bridge = wb.TorchBridge()
    tensor = bridge.tensor(array)
    from_torch, from_numpy = np.from_dlpack(tensor), torch.from_dlpack(bridge.to_numpy(tensor))
    assert bits_of_array(from_torch) == bits_of_array(array) == bits_of_tensor(from_numpy)
    if array.size:
        assert start(from_torch) == start(array) == start(from_numpy)


@settings(deadline=None)
@given(arrays(WHOLE, ["C", "strided"]))
def test_a_tensor_is_itself_and_its_bytes_are_its_memory(array: Array) -> None:
    bridge = wb.TorchBridge()
    tensor = bridge.tensor(array)
    assert bridge.tensor(tensor) is tensor
    if tensor.is_contiguous():
        buffer = bridge.to_buffer(tensor)
        assert bytes(buffer) == bits_of_array(array)
        assert not array.size or start(np.frombuffer(buffer, np.uint8)) == start(tensor)
    else:
        with pytest.raises(wb.WorkbenchError, match="to_bytes"):
            bridge.to_buffer(tensor)
