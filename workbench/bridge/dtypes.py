"""Which dtypes cross the bridge, how wide they are stored, and what torch holds them as."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import DTYPE_BITS, dtype_name, numpy_dtype
from workbench.errors import InputError, MissingLibraryError
from workbench.text import aligned, did_you_mean

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]

_HELD_AS = {
    **dict.fromkeys(["int2", "int4"], "int8"),
    **dict.fromkeys(["uint2", "uint4"], "uint8"),
    **dict.fromkeys(["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"], "float16"),
}
"""What torch cannot compute with, and what holds each of its values exactly.

torch has the names int2, uint2, int4 and uint4, of which it can neither copy nor convert a tensor; its float4 is two
values in a byte, which only one function takes; and it has no float6. float8_e4m3fn would hold the floats in half the
bytes of float16, and torch does not add there.
"""
_CARRIERS = {1: "uint8", 2: "int16"}
"""What carries the bits of a dtype that NumPy and torch both have and cannot hand to each other, by its bytes."""


@dataclass(frozen=True)
class BridgeDtype:
    """A dtype that crosses the bridge.

    Parameters
    ----------
    name
        Its standard name.
    bits
        Of one element in a file; fewer than 8 are packed.
    held_as
        The name of the dtype that torch holds it as: its own, or for a packed one the wider one.
    """

    name: str
    bits: int
    held_as: str

    @property
    def itemsize(self) -> int:
        """Bytes of one element in a tensor."""
        return DTYPE_BITS[self.held_as] // 8

    @property
    def packed(self) -> bool:
        """Whether several elements share a byte in a file."""
        return self.bits < 8

    @property
    def torch(self) -> torch.dtype:
        """The dtype of the tensors."""
        return torch_dtype(self.held_as)


class BridgeDtypes(Mapping[str, BridgeDtype]):
    """All dtypes of the bridge by their standard names.

    >>> BridgeDtypes()["bfloat16"].itemsize, BridgeDtypes()["int4"]
    (2, BridgeDtype(name='int4', bits=4, held_as='int8'))
    """

    def __getitem__(self, name: str) -> BridgeDtype:
        return BridgeDtype(name, DTYPE_BITS[name], _HELD_AS.get(name, name))

    def __iter__(self) -> Iterator[str]:
        return iter(DTYPE_BITS)

    def __len__(self) -> int:
        return len(DTYPE_BITS)

    columns = ("dtype", "bits stored", "bytes in torch", "as torch's")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row per dtype, for a table of `columns`."""
        return [(entry.name, str(entry.bits), str(entry.itemsize), entry.held_as) for entry in self.values()]

    def __repr__(self) -> str:
        return "\n".join(aligned([self.columns, *self.rows]))

    def _repr_html_(self) -> str:
        from workbench.views import bridge_card

        return bridge_card.dtypes_card(self)


def held_as(name: str) -> str:
    """Return the name of the dtype that torch holds a dtype as."""
    return _HELD_AS.get(name, name)


def parse(dtype: Any) -> tuple[str, np.dtype[Any]]:
    """Return the standard name and the NumPy dtype, with its byte order, of whatever names a dtype.

    Parameters
    ----------
    dtype
        A standard name, what NumPy takes as a dtype (``">f4"``, ``np.int8``, ``float``), or torch's.

    Raises
    ------
    workbench.errors.InputError
        If it is no dtype, or one that has no tensors.
    """
    try:
        return _parse(dtype)
    except TypeError:  # not hashable: a list of fields
        raise InputError(f"There is no dtype {dtype!r} of tensors. {_known()}") from None


@functools.lru_cache(maxsize=256)
def _parse(dtype: Any) -> tuple[str, np.dtype[Any]]:
    if isinstance(dtype, str) and dtype in DTYPE_BITS:
        return dtype, numpy_dtype(dtype)
    text = str(dtype)
    if text.startswith("torch."):
        name = text.removeprefix("torch.")
        if name not in DTYPE_BITS:
            raise InputError(f"{text} does not cross the bridge: {_why_not(name)}")
        return name, numpy_dtype(name)
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        raise InputError(f"There is no dtype {dtype!r}.{did_you_mean(text, DTYPE_BITS)} {_known()}") from None
    return checked_name(found), found


@functools.lru_cache(maxsize=256)
def checked_name(dtype: np.dtype[Any]) -> str:
    """Return the standard name of a NumPy dtype, which is one that tensors may have.

    Raises
    ------
    workbench.errors.InputError
        For text, objects, dates, records and floats of more than 64 bits.
    """
    name = dtype_name(dtype)
    if name in DTYPE_BITS:
        return name
    advice = {
        "M": "Pass its integers, array.view('int64').",
        "m": "Pass its integers, array.view('int64').",
        "V": "Name the dtype of its bytes, dtype='bfloat16' for example, or pass one of its fields.",
        "O": "Convert it to numbers first, for example with array.astype('float32').",
        "f": "Convert it first, array.astype('float64').",
        "c": "Convert it first, array.astype('complex128').",
    }.get(dtype.kind, "Encode it as numbers first.")
    raise InputError(f"There are no tensors of dtype {dtype}. {advice}")


@functools.cache
def torch_dtype(name: str) -> torch.dtype:
    """Return torch's dtype of a standard name, which must be one that torch computes with.

    Raises
    ------
    workbench.errors.MissingLibraryError
        If the installed torch is older than the dtype.
    """
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise MissingLibraryError(
            f"torch {torch.__version__} has no dtype {name}. Get a newer one: pip install -U torch"
        )
    return found


@functools.cache
def carrier(name: str) -> np.dtype[Any] | None:
    """Return the NumPy dtype under which NumPy and torch hand a dtype's bits to each other; None where it is itself.

    >>> carrier("float32"), carrier("bfloat16"), carrier("float8_e5m2")
    (None, dtype('int16'), dtype('uint8'))
    """
    dtype = numpy_dtype(name)
    return None if dtype.isbuiltin == 1 else np.dtype(_CARRIERS[dtype.itemsize])


@functools.lru_cache(maxsize=256)
def name_of(dtype: torch.dtype) -> str:
    """Return the standard name of the dtype of a tensor that is to leave torch.

    Raises
    ------
    workbench.errors.InputError
        For complex32, quantised dtypes and those that torch only has the name of.
    """
    name = str(dtype).removeprefix("torch.")
    if name in DTYPE_BITS and name not in _HELD_AS:
        return name
    raise InputError(f"A tensor of {dtype} cannot leave torch: {_why_not(name)}")


def narrow(array: Array, name: str) -> Array:
    """Return an array as the NumPy dtype of a packed dtype, which must hold each of its values.

    Raises
    ------
    workbench.errors.InputError
        If the array is not what torch holds the dtype as, or a value does not fit.
    """
    own = checked_name(array.dtype)
    if own == name:
        return array
    if own != held_as(name):
        raise InputError(
            f"dtype={name!r} is asked of {own} elements, and nothing is converted here. Convert the tensor first; "
            f"{name} is taken from {held_as(name)}."
        )
    with np.errstate(all="ignore"):
        narrowed = array.astype(numpy_dtype(name))
        same = narrowed.astype(array.dtype) == array
    if not same.all():
        at = np.unravel_index(int(np.argmin(same)), same.shape)
        raise InputError(
            f"{name} cannot hold {array[at]}, at {tuple(map(int, at))}, and {same.size - np.count_nonzero(same)} of "
            f"{same.size} elements in all do not fit. Quantise them first."
        )
    return narrowed


def _why_not(name: str) -> str:
    if name == "complex32":
        return "NumPy has no dtype for it. Convert it with .to(torch.complex64)."
    if name.startswith(("quint", "qint")):
        return "its scale and zero point would be lost. Take .int_repr() or .dequantize()."
    return (
        "torch has its name and cannot compute with it. Take its bytes with .view(torch.uint8), "
        "and read those as 'int4', 'float4_e2m1fn' or what they are."
    )


def _known() -> str:
    return f"There are: {', '.join(DTYPE_BITS)}."
