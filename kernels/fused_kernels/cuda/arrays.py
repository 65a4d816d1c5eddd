"""Arrays on a GPU, whoever made them: seen by their address, shape and strides; nothing is copied or imported.

Each library is one class here; it is asked only if it is loaded already. Results are made by the caller's own library,
on the device of the arguments and for the stream that is current there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from fused_kernels.errors import DtypeError

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The dtypes that there are kernels for; the first two are computed in float32."""
ITEMSIZE = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


class View(NamedTuple):
    """What a kernel needs to know of an array.

    Parameters
    ----------
    address
        Of its first element, in the device's memory.
    dtype
        By its standard name.
    shape, strides
        Strides in elements.
    device
        The number of the GPU.
    """

    address: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: int

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        expected = 1
        for length, step in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and step != expected:
                return not self.size
            expected *= length
        return True

    def span(self) -> tuple[int, int]:
        """Return the addresses from which and up to which elements lie."""
        if not self.size:
            return self.address, self.address
        steps = [step * (length - 1) for length, step in zip(self.shape, self.strides, strict=True)]
        low, high = sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)
        size = _itemsize(self.dtype)
        return self.address + low * size, self.address + (high + 1) * size


class Library(Protocol):
    """A library whose arrays lie on GPUs."""

    name: str

    def owns(self, value: Any) -> bool:
        """Whether the value is an array of this library on a GPU."""

    def view(self, operation: str, name: str, value: Any) -> View:
        """Describe an array; DtypeError for one that cannot be computed with."""

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new array."""

    def contiguous(self, value: Any, dtype: str) -> Any:
        """Return a new C-contiguous array of these values in a dtype."""

    def assign(self, target: Any, value: Any) -> None:
        """Write the values of one array into another of its shape."""

    def fill(self, target: Any, value: float) -> None:
        """Write one number to all places."""

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b`` by the library's own product of matrices."""

    def linear(self, x: Any, weight: Any, bias: Any, activation: str | None) -> Any:
        """Return ``activation(x @ weight + bias)`` if the library has it as one call; else None."""

    def stream(self, device: int) -> int:
        """Return the handle of the stream that is current in this thread."""

    def multiprocessors(self, device: int) -> int:
        """Return how many multiprocessors the GPU has."""

    def execute(self, launches: Iterable[tuple[Any, bytes]], device: int) -> None:
        """Start kernels, each a `Launch` with its packed arguments, in order on the current stream."""


libraries: list[Library] = []
"""All that are known; `of` asks them in turn."""


def of(values: Iterable[Any]) -> Library | None:
    """Return the library of the first value that lies on a GPU; None if none does."""
    for value in values:
        if value is None or type(value) is float:
            continue
        for library in libraries:
            if library.owns(value):
                return library
    return None


def _itemsize(dtype: str) -> int:
    return ITEMSIZE.get(dtype) or np.dtype(dtype).itemsize


class CuPy:
    """CuPy's arrays."""

    name = "CuPy"

    def owns(self, value: Any) -> bool:
        """Whether the value is an array of CuPy."""
        ndarray = getattr(sys.modules.get("cupy"), "ndarray", None)
        return ndarray is not None and isinstance(value, ndarray)

    def view(self, operation: str, name: str, value: Any) -> View:
        """Describe an array."""
        size = value.dtype.itemsize
        strides = tuple(step // size for step in value.strides)
        return View(value.data.ptr, value.dtype.name, value.shape, strides, value.device.id)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new array."""
        with _cupy().cuda.Device(device):
            return _cupy().empty(shape, dtype)

    def contiguous(self, value: Any, dtype: str) -> Any:
        """Return a new C-contiguous array of these values in a dtype."""
        with value.device:
            return value.astype(dtype, order="C", copy=True)

    def assign(self, target: Any, value: Any) -> None:
        """Write the values of one array into another of its shape."""
        with target.device:
            target[...] = value

    def fill(self, target: Any, value: float) -> None:
        """Write one number to all places."""
        with target.device:
            target.fill(value)

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, by cuBLAS."""
        with a.device:
            return _cupy().matmul(a, b)

    def linear(self, x: Any, weight: Any, bias: Any, activation: str | None) -> Any:
        """Return None: CuPy has no product with an epilogue."""

    def stream(self, device: int) -> int:
        """Return the handle of the current stream."""
        return int(_cupy().cuda.get_current_stream(device).ptr)

    def multiprocessors(self, device: int) -> int:
        """Return how many multiprocessors the GPU has."""
        return int(_cupy().cuda.Device(device).attributes["MultiProcessorCount"])

    def execute(self, launches: Iterable[tuple[Any, bytes]], device: int) -> None:
        """Start kernels on the current stream."""
        from .driver import start

        start(launches, device, self.stream(device))


class Torch:
    """torch's tensors on CUDA devices."""

    name = "torch"

    def owns(self, value: Any) -> bool:
        """Whether the value is a tensor on a CUDA device."""
        # Without the attribute, another thread is just importing torch: there are no tensors yet.
        tensor = getattr(sys.modules.get("torch"), "Tensor", None)
        return tensor is not None and isinstance(value, tensor) and value.is_cuda

    def view(self, operation: str, name: str, value: Any) -> View:
        """Describe a tensor."""
        if value.requires_grad:
            raise DtypeError(
                f"{operation}: {name} is a tensor that requires grad, and the kernels have no backward pass. "
                f"Pass {name}.detach(), or use torch's own operation where you train."
            )
        if value.layout != sys.modules["torch"].strided:
            raise DtypeError(f"{operation}: {name} is a tensor of layout {value.layout}. Pass {name}.to_dense().")
        if value.is_conj() or value.is_neg():
            raise DtypeError(f"{operation}: {name} is a lazy view. Pass {name}.resolve_conj().resolve_neg().")
        return View(
            value.data_ptr(),
            str(value.dtype).removeprefix("torch."),
            tuple(value.shape),
            value.stride(),
            value.device.index,
        )

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new tensor."""
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, dtype), device=f"cuda:{device}")

    def contiguous(self, value: Any, dtype: str) -> Any:
        """Return a new C-contiguous tensor of these values in a dtype."""
        torch = sys.modules["torch"]
        return value.to(getattr(torch, dtype), memory_format=torch.contiguous_format, copy=True)

    def assign(self, target: Any, value: Any) -> None:
        """Write the values of one tensor into another of its shape."""
        target.copy_(value)

    def fill(self, target: Any, value: float) -> None:
        """Write one number to all places."""
        target.fill_(value)

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, by cuBLAS."""
        return sys.modules["torch"].matmul(a, b)

    def linear(self, x: Any, weight: Any, bias: Any, activation: str | None) -> Any:
        """Return a layer by cuBLASLt, whose epilogues are the bias, relu and the tanh approximation of gelu."""
        torch = sys.modules["torch"]
        if bias is None or activation not in (None, "relu", "gelu_tanh"):
            return None
        rows = x.reshape(-1, x.shape[-1])
        if activation is None:
            found = torch.addmm(bias, rows, weight)
        else:
            found = torch._addmm_activation(bias, rows, weight, use_gelu=activation == "gelu_tanh")
        return found.reshape(*x.shape[:-1], weight.shape[-1])

    def stream(self, device: int) -> int:
        """Return the handle of the current stream."""
        return int(sys.modules["torch"].cuda.current_stream(device).cuda_stream)

    def multiprocessors(self, device: int) -> int:
        """Return how many multiprocessors the GPU has."""
        return int(sys.modules["torch"].cuda.get_device_properties(device).multi_processor_count)

    def execute(self, launches: Iterable[tuple[Any, bytes]], device: int) -> None:
        """Start kernels on the current stream."""
        from .driver import start

        start(launches, device, self.stream(device))


libraries += [Torch(), CuPy()]


def _cupy() -> Any:
    return sys.modules["cupy"]
