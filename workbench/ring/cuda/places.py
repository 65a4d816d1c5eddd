"""Where the arrays of a message lie for the GPU: on it already, or in pinned memory into which they are copied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fused_kernels.cuda import arrays as device_arrays
from fused_kernels.cuda import driver
from workbench.errors import InputError
from workbench.text import format_sizes

from . import memory
from .layout import DTYPES

if TYPE_CHECKING:
    from .asked import Asked
    from .program import Program

_LINE = 256
"""Arrays begin at multiples of so many bytes."""


class Placed(NamedTuple):
    """Arrays, as the GPU is told of them.

    Parameters
    ----------
    dtype
        Of all of them.
    addresses
        Of what is computed from.
    out
        Of the result; 0 if it is a number.
    result
        Returns the result, once the GPU has written it.
    """

    dtype: str
    addresses: tuple[int, ...]
    out: int
    result: Callable[[], Any]


class Places:
    """Finds arrays a place; those of NumPy share pinned memory, which grows.

    Parameters
    ----------
    program
        Whose kernel will read them.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._pinned: memory.Pinned | None = None

    def of(self, name: str, asked: Asked) -> Placed:
        """Find a place for the arrays of a message, whose values are there when this returns.

        Raises
        ------
        workbench.errors.InputError
            If they are of several libraries, devices or dtypes, or of one that the kernel does not have.
        """
        given = [*asked.arrays, *([] if asked.out is None else [asked.out])]
        library = device_arrays.of(given)
        if library is not None:
            if not all(library.owns(value) for value in given):
                raise InputError(f"{name}: all arrays of a message lie on the GPU, and in one library, or none does.")
            return self._on_card(name, asked, library)
        if not all(isinstance(value, np.ndarray) for value in given):
            kinds = ", ".join(sorted({type(value).__name__ for value in given}))
            raise InputError(f"{name} takes arrays of NumPy, or of CuPy or torch on the GPU; got {kinds}.")
        return self._staged(name, asked)

    def close(self) -> None:
        """Give the pinned memory back."""
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            self.program.free(pinned)

    def _on_card(self, name: str, asked: Asked, library: Any) -> Placed:
        device = self.program.device
        views = [library.view(name, f"argument {place}", value) for place, value in enumerate(asked.arrays)]
        dtype = _dtype(name, [view.dtype for view in views])
        kept = [
            value if view.is_contiguous else library.contiguous(value, dtype)
            for view, value in zip(views, asked.arrays, strict=True)
        ]
        views = [library.view(name, f"argument {place}", value) for place, value in enumerate(kept)]
        if any(view.device != device for view in views):
            raise InputError(
                f"{name}: this kernel is on GPU {device}; an array lies on {[view.device for view in views]}."
            )
        out, address = asked.out, 0
        if asked.shape is not None:
            if out is None:
                out = library.empty(asked.shape, dtype, device)
            view = library.view(name, "out", out)
            if (view.dtype, tuple(view.shape), view.device) != (dtype, asked.shape, device) or not view.is_contiguous:
                raise InputError(_wrong_out(name, dtype, asked.shape, view.dtype, view.shape))
            for other in views:
                (first, last), (begin, end) = other.span(), view.span()
                if first < end and begin < last and first != begin:
                    raise InputError(f"{name}: out lies over a part of an argument. Give it memory of its own.")
            address = view.address
        with driver.current(device):  # what the caller has asked of the GPU before, as writing the arguments, is done
            memory.settle(library.stream(device))
        return Placed(dtype, tuple(view.address for view in views), address, lambda: (kept, out)[1])

    def _staged(self, name: str, asked: Asked) -> Placed:
        dtype = _dtype(name, [value.dtype.name for value in asked.arrays])
        kind = asked.arrays[0].dtype.newbyteorder("=")
        out, shape = asked.out, asked.shape
        if out is not None and (out.dtype.name != dtype or out.shape != shape):
            raise InputError(_wrong_out(name, dtype, shape or (), out.dtype.name, out.shape))
        if out is not None and not out.flags.writeable:
            raise InputError(f"{name}: out is read-only. Give it memory that may be written to.")
        sizes = [value.nbytes for value in asked.arrays]
        sizes.append(0 if shape is None else math.prod(shape) * kind.itemsize)
        begins = [0]
        for size in sizes:
            begins.append(-(-(begins[-1] + size) // _LINE) * _LINE)
        pinned = self._room(begins[-1])
        for value, begin, size in zip(asked.arrays, begins, sizes, strict=False):
            np.copyto(_there(pinned, begin, size, kind, value.shape), value)

        def result() -> Any:
            assert shape is not None
            found = _there(pinned, begins[-2], sizes[-1], kind, shape)
            if out is None:
                return found.copy()
            np.copyto(out, found)
            return out

        addresses = tuple(pinned.device + begin for begin in begins)
        return Placed(dtype, addresses[: len(sizes) - 1], addresses[len(sizes) - 1] if shape is not None else 0, result)

    def _room(self, size: int) -> memory.Pinned:
        if self._pinned is None or self._pinned.size < size:
            self.close()
            self._pinned = self.program.pinned(max(1 << 16, 1 << (size - 1).bit_length()))
        return self._pinned


def _there(pinned: memory.Pinned, begin: int, size: int, kind: Any, shape: tuple[int, ...]) -> Any:
    return np.frombuffer(pinned.view, np.uint8, size, begin).view(kind).reshape(shape)


def _dtype(name: str, dtypes: list[str]) -> str:
    if len(set(dtypes)) != 1 or dtypes[0] not in DTYPES:
        raise InputError(
            f"{name} in a ring kernel on the GPU takes arrays of one of the dtypes {', '.join(DTYPES)}; got "
            f"{' and '.join(dtypes)}. Convert them, for example with x.astype('float32')."
        )
    return dtypes[0]


def _wrong_out(name: str, dtype: str, shape: tuple[int, ...], got: str, got_shape: tuple[int, ...]) -> str:
    received = f"got {got} of {format_sizes(tuple(got_shape))}"
    return f"{name}: out must be {dtype} of {format_sizes(shape)} in C order, {received}."
