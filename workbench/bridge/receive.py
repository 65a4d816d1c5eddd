"""Whatever holds elements, as an array or a tensor on the same memory; and bytes, as elements of a dtype and shape."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.arrays import DTYPE_BITS, element_count
from workbench.errors import InputError
from workbench.models.packed import unpack
from workbench.text import format_bytes

from . import dtypes
from .devices import module_of
from .pool import Array
from .sharing import array_of, check_plain

if TYPE_CHECKING:
    import torch

_BUFFERS: dict[type, str] = {
    bytes: "bytes",
    bytearray: "bytearray",
    memoryview: "memoryview",
    mmap.mmap: "mmap",
}
_LIBRARIES = {"array": "array.array", "jaxlib": "jax", "numpy": "NumPy", "cupy": "CuPy"}
_HOST = {1, 3}
"""DLPack's numbers of devices whose memory the CPU reads: its own, and what CUDA has pinned."""


class Received(NamedTuple):
    """What was passed, as an array in the CPU's memory or as a tensor on any device."""

    source: str
    """What it was, for the report."""
    value: Any
    """A `numpy.ndarray` or a `torch.Tensor`."""
    dtype: str
    """Standard name of what was passed."""
    copied: str = ""
    """Why ``value`` is new memory; empty where it is the memory that was passed."""


def receive(value: Any, shape: int | Sequence[int] | None = None, dtype: Any = None) -> Received:
    """Return what was passed as an array or tensor, on its own memory where it can be read as what is asked.

    Parameters
    ----------
    value
        A buffer, an array or a tensor of any library, or a tensor of a model.
    shape
        Of the result; one of its sizes may be -1. None keeps that of ``value``.
    dtype
        Which elements the bytes are. An array of others than bytes has its own, and it is no other.

    Raises
    ------
    workbench.errors.InputError
        If it holds no elements, or other ones, or another number of them.
    """
    name, wanted = (None, None) if dtype is None else dtypes.parse(dtype)
    source, memory = _as_memory(value)
    copied = "a scalar has no memory to share" if isinstance(value, np.generic) else ""
    if shape is not None and not isinstance(memory, np.ndarray):
        check_plain(memory, detach=True, call="tensor")
    own = _name(memory)
    # Of bytes in rows and columns nobody can tell which rows and columns of larger elements they are to be.
    told = shape is not None or memory.ndim <= 1 or own == "void"
    if wanted is not None and name != own and told and _is_raw(memory, own, wanted):
        return _elements(source, memory, shape, str(name), wanted)
    if name is not None and name != own:
        raise InputError(
            f"dtype={name!r} is asked of {source}, whose elements are {own} {tuple(memory.shape)}. To read the same "
            "bytes as other elements pass them as bytes, with .view('uint8'), and the shape; to convert the values, "
            "convert before or after."
        )
    if own in ("void", "string"):
        dtypes.checked_name(memory.dtype)  # raises
    if shape is None:
        return Received(source, memory, own, copied)
    sizes = fitted(shape, own, memory.nbytes, unit=memory.itemsize, what=source)
    if isinstance(memory, np.ndarray):
        shaped = memory.reshape(sizes)
        same = shaped.size == 0 or np.may_share_memory(shaped, memory)
    else:
        shaped = memory.reshape(sizes)
        same = shaped.data_ptr() == memory.data_ptr()
    return Received(source, shaped, own, copied or ("" if same else "these strides cannot have the new shape"))


def fitted(
    shape: int | Sequence[int], dtype: str, nbytes: int, *, unit: int | None = None, what: str
) -> tuple[int, ...]:
    """Return a shape whose elements are exactly so many bytes, with -1 replaced.

    Parameters
    ----------
    shape
        A size, or a sequence of them; at most one is -1.
    dtype
        Standard name of the elements.
    nbytes
        How many bytes there are.
    unit
        Bytes of one element; None where they are stored as in files, packed under 8 bits.
    what
        What holds them, for the message.

    Raises
    ------
    workbench.errors.InputError
        If they do not fit, with the numbers.
    """
    try:
        sizes = tuple(map(index, shape if isinstance(shape, Sequence) else (shape,)))
    except TypeError:
        raise InputError(
            f"shape={shape!r} is no shape. Pass whole numbers, shape=(2, 3), and the dtype after it."
        ) from None
    bits = DTYPE_BITS[dtype] if unit is None else 8 * unit
    if sizes and min(sizes) < 0:
        sizes = _found(sizes, dtype, nbytes * 8 // bits, what)
    count = element_count(sizes)
    needed = -(-count * bits // 8)
    if needed != nbytes:
        few = needed > nbytes
        raise InputError(
            f"shape={sizes} with {dtype} needs {needed} bytes ({count} elements of {bits / 8:g}), and {what} has "
            f"{nbytes}: {abs(needed - nbytes)} too {'few' if few else 'many'}. "
            + ("Check shape and dtype." if few else "Pass the part that is meant, memoryview(buffer)[start:stop].")
        )
    return sizes


def _found(sizes: tuple[int, ...], dtype: str, count: int, what: str) -> tuple[int, ...]:
    """Return a shape of so many elements with its -1 replaced."""
    if min(sizes) < -1 or sizes.count(-1) > 1:
        raise InputError(f"shape={sizes} is no shape: sizes are 0 or more, and at most one is -1, to be found.")
    others = -element_count(sizes)
    if not others or count % others:
        known = f"a multiple of {others} elements" if others else "no element"
        raise InputError(
            f"shape={sizes} with {dtype} holds {known}, and {what} has {count}. Write the size instead of -1, or "
            "change the others."
        )
    return tuple(count // others if size == -1 else size for size in sizes)


def _elements(
    source: str, memory: Any, shape: int | Sequence[int] | None, name: str, wanted: np.dtype[Any]
) -> Received:
    """Read bytes as elements."""
    array: Array = memory if isinstance(memory, np.ndarray) else array_of(memory).result
    copied, flat = "", array
    if array.ndim != 1 or array.dtype.kind == "V" or not array.flags.c_contiguous:
        copied = "" if array.flags.c_contiguous else "bytes that do not lie side by side"
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if shape is None:
        shape = array.shape if array.dtype.kind == "V" else (-1,)
    sizes = fitted(shape, name, flat.nbytes, what=source)
    if DTYPE_BITS[name] < 8:
        array = unpack(flat, name, element_count(sizes)).reshape(sizes)
        return Received(source, array, name, f"packed in {DTYPE_BITS[name]} bits each: unpacked")
    if name == "bool" and flat.size and (top := flat.max()) > 1:
        raise InputError(
            f"{source} is no bool: it has the byte {top}, and bool is 0 or 1. Read it as uint8, and compare it with 0."
        )
    return Received(source, flat.view(wanted).reshape(sizes), name, copied)


def _is_raw(memory: Any, own: str, wanted: np.dtype[Any]) -> bool:
    """Tell whether memory is bytes that are elements of another dtype: uint8, or a void of the right size."""
    if not isinstance(memory, np.ndarray):
        return own == "uint8" and memory.device.type == "cpu" and bool(memory.is_contiguous())
    return own == "uint8" or (own == "void" and memory.dtype.names is None and memory.itemsize == wanted.itemsize)


def _as_memory(value: Any) -> tuple[str, Any]:
    """Return what a value is, and its elements as an array or tensor on the same memory."""
    kind = type(value)
    if kind in _BUFFERS:
        return _BUFFERS[kind], _from_buffer(value)
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):
            raise InputError("A masked array's mask would be lost. Pass array.filled(value).")
        return "NumPy", np.asarray(value)
    import torch

    if isinstance(value, torch.Tensor):
        return f"torch {value.device}", value
    if isinstance(value, np.generic):
        return "NumPy scalar", np.asarray(value)
    library = module_of(value)
    if library == "workbench" and callable(getattr(value, "numpy", None)):
        return "a model's tensor", value.numpy()
    source = _LIBRARIES.get(library, kind.__name__)
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(source, value)
    try:
        return source, _from_buffer(value)
    except TypeError:
        raise InputError(f"{_described(value)} holds no elements that can be shared. {_advice(value)}") from None


def _from_buffer(value: Any) -> Array:
    """Return a buffer's elements; they keep it exported, so that nothing resizes or closes it under them.

    torch.frombuffer and the constructor of numpy.ndarray let go of the buffer at once: a bytearray that then grows
    leaves them with memory that is no longer its own.
    """
    try:
        view = memoryview(value)
    except ValueError as error:  # a closed map, a released view
        raise InputError(f"{_described(value)} has no memory any more: {error}.") from error
    if view.ndim == 1 and view.format in ("B", "c") and view.c_contiguous:
        return np.frombuffer(view, np.uint8)
    try:
        return np.asarray(view)
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"{_described(value)} has elements of format {view.format!r}, which is no dtype.") from error


def _from_dlpack(source: str, value: Any) -> tuple[str, Any]:
    """Return what another library exports: an array if NumPy can, which also knows whether it may be written."""
    import torch
    from torch.utils.dlpack import from_dlpack

    errors = (RuntimeError, BufferError, TypeError, ValueError, AttributeError)
    try:
        kind, number = value.__dlpack_device__()
        if int(kind) not in _HOST:
            return f"{source} {torch.device('cuda', number)}", from_dlpack(value)
        try:
            return source, np.from_dlpack(value)
        except errors:  # of a dtype that NumPy lacks
            array: Array = np.asarray(_without_dlpack(from_dlpack(value)))
            return source, array
    except errors as error:
        raise InputError(f"{_described(value)} does not export its memory: {error}") from error


def _without_dlpack(tensor: torch.Tensor) -> Array:
    """Return a tensor of a dtype that NumPy's DLPack lacks as a read-only array, for nobody says that it is not."""
    array: Array = array_of(tensor).result.view()
    array.flags.writeable = False
    return array


def _name(memory: Any) -> str:
    """Return the standard name of the elements, ``"void"`` for bytes of a size without a meaning."""
    if not isinstance(memory, np.ndarray):
        return str(memory.dtype).removeprefix("torch.")
    if memory.dtype.kind == "V" and memory.dtype.isbuiltin != 2:
        return "void"
    return dtypes.checked_name(memory.dtype)


def _described(value: Any) -> str:
    size = f" of {format_bytes(len(value))}" if isinstance(value, bytes | bytearray) else ""
    return f"The {type(value).__name__}{size}"


def _advice(value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return "To read a file, pass np.memmap(path, mode='c'), or the bytes of it."
    if isinstance(value, list | tuple | int | float | complex):
        return "Pass np.asarray(value, dtype='float32'), or use torch.tensor(value)."
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return "Pass np.asarray(value), which may copy it."
    return "Pass a buffer, an array of NumPy or CuPy, a torch tensor, or what has __dlpack__."
