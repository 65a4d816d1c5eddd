"""Torch where models run on it: found or missed with the line that installs it, its devices, its tensors as arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, dtype_name, numpy_dtype
from workbench.errors import InputError, MissingLibraryError


def import_or_say(name: str) -> Any:
    """Import a library, or say which line installs it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"This needs {name}, which cannot be imported ({error}): pip install {name}."
        ) from error


def check_device(device: str) -> Any:
    """Return torch's device of that name, if this machine has it."""
    torch = import_or_say("torch")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r}; torch's are 'cpu', 'cuda', 'cuda:1', 'mps'.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise MissingLibraryError(
            f"device={device!r} needs a GPU and a torch built for CUDA, and torch {torch.__version__} finds none. On a "
            "machine with an NVIDIA GPU install torch as https://pytorch.org/get-started says; else load with "
            "device='cpu'."
        )
    return found


def is_tensor(value: Any) -> bool:
    """Return whether a value is torch's tensor; torch is not loaded for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_numpy(tensor: Any) -> np.ndarray[Any, Any]:
    """Return a tensor as an array of the same dtype; one on the CPU shares its memory.

    NumPy lacks bfloat16 and the float8 dtypes, which ml_dtypes has under torch's names.
    """
    import torch

    tensor = tensor.detach().cpu()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    name = dtype_name(tensor.dtype)
    try:
        return np.asarray(tensor.numpy())
    except TypeError:
        if name not in DTYPE_BITS or tensor.layout != torch.strided:
            raise
        bits = torch.int16 if DTYPE_BITS[name] == 16 else torch.uint8
        return np.asarray(tensor.contiguous().view(bits).numpy().view(numpy_dtype(name)))


def to_torch(array: np.ndarray[Any, Any], device: Any = "cpu") -> Any:
    """Return an array as a tensor of the same dtype; a writable one of NumPy's own dtypes shares its memory."""
    import torch

    name = dtype_name(array.dtype)
    array = np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype.kind == "V" or name in ("bfloat16",) or name.startswith("float8"):
        bits = np.int16 if array.dtype.itemsize == 2 else np.uint8
        return torch.from_numpy(array.view(bits).copy()).view(getattr(torch, name)).to(device)
    # torch warns about arrays that may not be written to, and no model writes to its inputs
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


def first_line(error: BaseException) -> str:
    """Return what an error of torch or transformers says, without the pages that may follow."""
    if isinstance(error, KeyError):
        return f"it looks for {error} in vain"
    lines = str(error).strip().splitlines()
    return lines[0][:300].rstrip(".!") if lines else type(error).__name__
