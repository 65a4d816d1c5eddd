"""NumPy's arrays as torch's tensors and back, on the same memory; or in new memory, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from workbench.arrays import element_count, numpy_dtype
from workbench.errors import InputError

from . import dtypes
from .pool import POOLED_FROM, Array, Pin, Pool

if TYPE_CHECKING:
    import torch

Readonly = Literal["copy", "share"]
SAME = "the same memory"
SAME_READONLY = "the same memory, which is read-only: a write through the tensor would break what others rely on"


class Crossed(NamedTuple):
    """A result, and what the report says of it."""

    result: Any
    shared: bool
    why: str


def tensor_of(
    array: Array, pool: Pool, *, readonly: Readonly = "copy", copy: bool | None = None, pin: Pin | None = None
) -> Crossed:
    """Return a tensor on the CPU with an array's values, on its memory where torch can express it.

    Parameters
    ----------
    array
        Of any dtype that crosses the bridge, any shape and layout.
    pool
        Where the memory of a large copy comes from.
    readonly
        What becomes of read-only memory, which torch would write to: ``"copy"`` or ``"share"``.
    copy
        As in NumPy: None if needed, False never, True always.
    pin
        How to pin the memory of a copy.

    Raises
    ------
    workbench.errors.InputError
        If the dtype does not cross, or a copy is needed and not allowed.
    """
    name = dtypes.checked_name(array.dtype)
    flags = array.flags
    simple = flags.c_contiguous and flags.aligned and array.dtype.isnative and dtypes.held_as(name) == name
    reason = "" if simple else _why_not(array, name)
    if not reason and not flags.writeable and readonly == "copy":
        reason = "read-only memory, and torch would let it be written to"
    if copy:
        reason = reason or "a copy was asked for"
    elif not reason:
        try:
            if flags.writeable:
                return Crossed(_wrapped(array, name), True, SAME)
            return Crossed(_wrapped(_writable(array, name), name), True, SAME_READONLY)
        except ValueError:  # the strides of axes with one element, which make no difference to NumPy
            reason = _why_not(array, name)
    if copy is False:
        raise InputError(
            f"copy=False, and {array.dtype} {array.shape} needs a copy: {reason}. Use copy=None"
            + (
                ", or readonly='share', or map the file copy-on-write (mmap.ACCESS_COPY, np.memmap mode 'c')."
                if reason.startswith("read-only")
                else "."
            )
        )
    held = dtypes.held_as(name)
    target = empty(array.shape, numpy_dtype(held), pool, pin)
    np.copyto(target, array, casting="unsafe")
    return Crossed(_wrapped(target, held), False, reason)


def array_of(tensor: torch.Tensor) -> Crossed:
    """Return a CPU tensor that does not require grad as an array, on its memory where NumPy can express it.

    Raises
    ------
    workbench.errors.InputError
        If its dtype has no counterpart in NumPy, or it has no memory of its own.
    """
    name, carrier = dtypes.name_of(tensor.dtype), None
    whole, why = tensor, SAME
    if tensor.is_conj() or tensor.is_neg():
        whole, why = tensor.resolve_conj().resolve_neg(), "torch conjugates or negates as it reads, and NumPy cannot"
    try:
        carrier = dtypes.carrier(name)
        if carrier is None:
            array = whole.numpy()
        else:
            array = whole.view(dtypes.torch_dtype(carrier.name)).numpy().view(numpy_dtype(name))
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{describe(tensor)} has no memory that NumPy could see: {error}") from error
    return Crossed(array, whole is tensor, why)


def check_plain(tensor: torch.Tensor, *, detach: bool, call: str) -> torch.Tensor:
    """Return a tensor without its gradient, which is dense and may leave torch.

    Parameters
    ----------
    tensor
        Any.
    detach
        Whether the caller has said that the gradient may be left behind.
    call
        What the user called, for the message.

    Raises
    ------
    workbench.errors.InputError
        If it requires grad and ``detach`` is not set, is sparse or nested, or has no memory.
    """
    import torch

    if tensor.is_nested:
        raise InputError(
            f"{call}: a nested tensor has no single shape. Pass each of .unbind(), or .to_padded_tensor()."
        )
    if tensor.layout != torch.strided:
        raise InputError(f"{call}: {describe(tensor)} is {tensor.layout}. Pass .to_dense(), or its indices and values.")
    if tensor.device.type == "meta":
        raise InputError(f"{call}: {describe(tensor)} is on the device 'meta', where tensors have no values.")
    if not tensor.requires_grad:
        return tensor
    if not detach:
        raise InputError(
            f"{call}: {describe(tensor)} requires grad, and outside torch no gradient is tracked. "
            f"Say {call}(tensor, detach=True) if that is meant."
        )
    return tensor.detach()


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], pool: Pool, pin: Pin | None) -> Array:
    """Return an array of arbitrary content, from the pool if it is large and the pool's limit allows it."""
    nbytes = element_count(shape) * dtype.itemsize
    block = None
    if nbytes >= POOLED_FROM:
        try:
            block = pool.take(nbytes, pin)
        except OSError:  # not pinned, then
            block = pool.take(nbytes)
    return np.empty(shape, dtype) if block is None else block.view(dtype).reshape(shape)


def describe(tensor: torch.Tensor) -> str:
    """Write a tensor for a message: ``float32 (2, 3) on cpu``."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)} on {tensor.device}"


def _why_not(array: Array, name: str) -> str:
    """Return why torch cannot take an array's memory; empty if it can."""
    if (held := dtypes.held_as(name)) != name:
        return f"torch does not compute with {name}: each element became {held}"
    if not array.dtype.isnative:
        return (
            "big-endian, and torch has only this machine's byte order"
            if array.dtype.byteorder == ">"
            else ("little-endian, and torch has only this machine's byte order")
        )
    if any(stride < 0 for stride in array.strides):
        return "negative strides, which torch does not have"
    if any(stride % array.itemsize for stride in array.strides):
        return "strides that are no multiple of an element, which torch does not have"
    return "" if array.flags.aligned else f"not aligned: its address is no multiple of {array.dtype.alignment} bytes"


def _wrapped(array: Array, name: str) -> torch.Tensor:
    import torch

    carrier = dtypes.carrier(name)
    if carrier is None:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(carrier)).view(dtypes.torch_dtype(name))


def _writable(array: Array, name: str) -> Array:
    """Return a view of a read-only array that claims to be writable, so that torch takes it without a warning."""
    shown = np.asarray(_Claim(array.view(carrier) if (carrier := dtypes.carrier(name)) else array))
    return shown.view(array.dtype)


class _Claim:
    """An array's memory and the array itself, which it keeps alive."""

    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        interface = dict(self.array.__array_interface__)
        return interface | {"data": (interface["data"][0], False)}
