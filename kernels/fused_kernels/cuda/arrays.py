"""Arrays on a GPU, whoever made them: seen by their address, shape and strides; nothing is copied or imported.

Each library is one class here; it is asked only if it is loaded already. Results are made by the caller's own library,
on the device of the arguments and for the stream that is current there.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Hashable, Iterable
from types import NoneType
from typing import Any, NamedTuple, Protocol

import numpy as np

from fused_kernels.errors import DtypeError

from .launch import Card, Launch
from .views import View


class Quick(NamedTuple):
    """The quickest way to look at arrays.

    Parameters
    ----------
    kind
        Their class: those of another, derived from it say, are for `Library.view` to look at.
    address
        Where the first element of one lies.
    facts
        All that `Library.view` depends on but the address; what it raises is for that to say better.
    """

    kind: type
    address: Callable[[Any], int]
    facts: Callable[[Any], Hashable]


class Library(Protocol):
    """A library whose arrays lie on GPUs."""

    name: str

    def owns(self, value: Any) -> bool:
        """Whether the value is an array of this library on a GPU."""

    def view(self, operation: str, name: str, value: Any) -> View:
        """Describe an array; DtypeError for one that cannot be computed with."""

    def quick(self) -> Quick:
        """Return the quickest way to look at an array."""

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new array."""

    def contiguous(self, value: Any, dtype: str) -> Any:
        """Return a new C-contiguous array of these values in a dtype."""

    def assign(self, target: Any, value: Any) -> None:
        """Write the values of one array into another of its shape."""

    def fill(self, target: Any, value: float) -> None:
        """Write one number to all places."""

    def fetched(self, value: Any) -> np.ndarray[Any, Any]:
        """Return the values on the CPU, once the GPU has done all that was asked of it before."""

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b`` by the library's own product of matrices."""

    def product(self, a: Any, b: Any) -> Any:
        """Return ``a @ b`` of an array and a matrix before it is rounded to 16 bits, if the library can, in float32."""

    def linear(self, x: Any, weight: Any, bias: Any, activation: str | None) -> Any:
        """Return ``activation(x @ weight + bias)`` if the library has it as one call; else None."""

    def card(self, device: int) -> Card:
        """Describe a GPU."""

    def stream(self, device: int) -> int:
        """Return the handle of the stream that is current in this thread."""

    def starter(self, launch: Launch, device: int) -> Callable[[bytes, int], None]:
        """Return what starts a kernel with a packed struct on a stream."""


libraries: list[Library] = []
"""All that are known; `of` asks them in turn."""
_NEVER = (NoneType, float, int, bool, np.ndarray)


def of(values: Iterable[Any]) -> Library | None:
    """Return the library of the first value that lies on a GPU; None if none does."""
    for value in values:
        if type(value) not in _NEVER:
            for library in libraries:
                if library.owns(value):
                    return library
    return None


class _ByDriver:
    """What libraries share whose GPUs the driver describes and starts kernels on."""

    def starter(self, launch: Launch, device: int) -> Callable[[bytes, int], None]:
        """Return what starts a kernel with a packed struct on a stream."""
        from . import driver

        return driver.starter(launch, device)

    def card(self, device: int) -> Card:
        """Describe a GPU."""
        from . import driver

        return driver.card(device)


class CuPy(_ByDriver):
    """CuPy's arrays; from CuPy 14 on also those of ml_dtypes' bfloat16."""

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

    @functools.cache  # noqa: B019 (there is one)
    def quick(self) -> Quick:
        """Return the quickest way to look at an array."""
        return Quick(_cupy().ndarray, lambda value: value.data.ptr, _facts_of_cupy)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new array."""
        cupy = _cupy()
        if cupy.cuda.runtime.getDevice() == device:
            return cupy.empty(shape, dtype)
        with cupy.cuda.Device(device):
            return cupy.empty(shape, dtype)

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

    def fetched(self, value: Any) -> np.ndarray[Any, Any]:
        """Return the values on the CPU."""
        found: np.ndarray[Any, Any] = value.get()
        return found

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, by cuBLAS."""
        with a.device:
            return _cupy().matmul(a, b)

    def product(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, rounded: CuPy has no product of one dtype in another."""
        return self.matmul(a, b)

    def linear(self, x: Any, weight: Any, bias: Any, activation: str | None) -> Any:
        """Return None: CuPy has no product with an epilogue."""

    def stream(self, device: int) -> int:
        """Return the handle of the current stream."""
        return int(_cupy().cuda.get_current_stream(device).ptr)


class Torch(_ByDriver):
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

    @functools.cache  # noqa: B019 (there is one)
    def quick(self) -> Quick:
        """Return the quickest way to look at a tensor."""
        tensor = sys.modules["torch"].Tensor
        return Quick(tensor, tensor.data_ptr, _facts_of_torch)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Any:
        """Return a new tensor."""
        return sys.modules["torch"].empty(shape, dtype=_torch_dtype(dtype), device=_torch_device(device))

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

    def fetched(self, value: Any) -> np.ndarray[Any, Any]:
        """Return the values on the CPU."""
        found: np.ndarray[Any, Any] = value.cpu().numpy()
        return found

    def matmul(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, by cuBLAS."""
        return sys.modules["torch"].matmul(a, b)

    def product(self, a: Any, b: Any) -> Any:
        """Return ``a @ b``, in float32 from torch 2.8 on."""
        torch = sys.modules["torch"]
        if a.dtype.itemsize == 2:
            rows = a.reshape(-1, a.shape[-1])
            # An older torch does not know the argument, and GPUs of some architectures not the product.
            with contextlib.suppress(TypeError, RuntimeError):
                return torch.mm(rows, b, out_dtype=torch.float32).reshape(*a.shape[:-1], b.shape[-1])
        return torch.matmul(a, b)

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
        # As torch's own generated code asks for it; through the public class it takes ten times as long.
        raw = getattr(sys.modules["torch"]._C, "_cuda_getCurrentRawStream", None)
        if raw is not None:
            return int(raw(device))
        return int(sys.modules["torch"].cuda.current_stream(device).cuda_stream)


libraries += [Torch(), CuPy()]


def _cupy() -> Any:
    return sys.modules["cupy"]


def _facts_of_cupy(value: Any) -> Hashable:
    return value.dtype, value.shape, value.strides, value.data.device_id


def _facts_of_torch(value: Any) -> Hashable:
    # A number below 0 as the device of a tensor on the CPU. What is not strided has no strides, and raises; complex
    # tensors, which alone can be conj, are refused whatever else they are.
    return value.dtype, value.shape, value.stride(), value.get_device(), value.requires_grad, value.is_neg()


@functools.cache
def _torch_dtype(name: str) -> Any:
    return getattr(sys.modules["torch"], name)


@functools.cache
def _torch_device(number: int) -> Any:
    return sys.modules["torch"].device("cuda", number)
