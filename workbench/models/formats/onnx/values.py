"""Arrays of dtypes that NumPy lacks, into ONNX Runtime's own values and out of them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec, dtype_name, numpy_dtype, stored_nbytes
from workbench.models.packed import pack, unpack

from .graph import DTYPES
from .providers import onnxruntime

if TYPE_CHECKING:
    from onnxruntime import OrtValue

NATIVE = {"string", "bool", "float16", "float32", "float64"} | {
    f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)
}
"""The dtypes of which ONNX Runtime takes and gives NumPy arrays."""
_CODES = {name: code for code, name in DTYPES.items()}
_BY_ORT_NAME = {
    "".join(character for character in name if character not in "_").replace("float4e2m1fn", "float4e2m1"): name
    for name in DTYPES.values()
    if name not in NATIVE
}


def is_native(spec: TensorSpec) -> bool:
    """Return whether arrays, lists and dicts of an input or output go through without our help."""
    return spec.dtype in NATIVE or "(" in spec.dtype


def to_value(array: Any) -> OrtValue:
    """Return an array as ONNX Runtime's value; one of a native dtype shares its memory."""
    value_of = onnxruntime().OrtValue
    dtype = dtype_name(array.dtype)
    if dtype in NATIVE:
        shared: OrtValue = value_of.ortvalue_from_numpy(array)
        return shared
    raw = pack(array, dtype)
    value: OrtValue = value_of.ortvalue_from_shape_and_type(list(array.shape), _CODES[dtype])
    if raw.nbytes:
        ctypes.memmove(value.data_ptr(), raw.ctypes.data, raw.nbytes)
    return value


def from_value(value: OrtValue) -> Any:
    """Return ONNX Runtime's value as an array; None for an optional one that is absent."""
    if not value.has_value():
        return None
    standard = _BY_ORT_NAME.get(value.data_type().removeprefix("tensor(").removesuffix(")"))
    if standard is None:
        return value.numpy()
    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    nbytes = stored_nbytes(standard, count)
    data = ctypes.string_at(value.data_ptr(), nbytes) if nbytes else b""
    return unpack(data, standard, count).reshape(shape).astype(numpy_dtype(standard))
