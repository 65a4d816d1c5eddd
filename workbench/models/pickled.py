"""Tensors in a file of ``torch.save``: read by torch with ``weights_only=True``, which runs no code of the file.

Torch's own unpickler knows tensors and plain containers and refuses every other name, so that a file which asks for
more is an error: https://pytorch.org/docs/stable/notes/serialization.html.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, dtype_name
from workbench.errors import LoadError

from .model import Tensor
from .source import Source, first_in_zip
from .torch_arrays import first_line, import_or_say, is_tensor, to_numpy

_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch's files began before it wrote zip archives: a number of its own, pickled."""
_DEEPEST = 20


def looks_like_torch(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of one that ``torch.save`` wrote."""
    return head.startswith(_MAGIC) or first_in_zip(head).endswith(b"/data.pkl")


def pickled_tensors(source: Source) -> tuple[list[Tensor], dict[str, str]]:
    """Return the tensors of a file, mapped into memory, and the plain values beside them as text.

    A nested dictionary's names are joined by dots.

    Raises
    ------
    workbench.errors.LoadError
        If the file would run code, or is damaged, or has no tensors.
    """
    content = _unpickled(source)
    tensors, others = [], {}
    for name, value in _flattened(content, "", 0):
        if is_tensor(value):
            tensors.append(shared_tensor(name, value, source.given))
        elif isinstance(value, (str, int, float, bool)):
            others[name] = str(value)[:200]
    if not tensors:
        raise LoadError(
            f"{source.given} has no tensors by name, but a {type(content).__name__}. Save the weights: "
            "torch.save(module.state_dict(), path)."
        )
    return tensors, others


def shared_tensor(name: str, value: Any, given: str) -> Tensor:
    """Return a torch tensor as one of the model; its values stay where they are until they are asked for."""
    import torch

    dtype = dtype_name(value.dtype) if str(value.dtype).removeprefix("torch.") in DTYPE_BITS else ""
    shape = tuple(value.shape)
    if not dtype or value.layout is not torch.strided:
        kind = str(value.dtype).removeprefix("torch.") if not dtype else str(value.layout).removeprefix("torch.")
        raise LoadError(f"{given} has the tensor {name!r} of {kind}, which is not read. Save it as a plain tensor.")

    def read() -> np.ndarray[Any, Any]:
        if value.is_meta:
            raise LoadError(
                f"{name!r} of {given} is on torch's meta device, where tensors have no values. Load its weights."
            )
        array = to_numpy(value)
        array.flags.writeable = False
        return array

    return Tensor(name, dtype, shape, value.numel() * value.element_size(), read)


def _unpickled(source: Source) -> Any:
    torch = import_or_say("torch")
    mapped = source.path is not None and source.head.startswith(b"PK")
    file = str(source.path) if source.path is not None else io.BytesIO(source.data or b"")
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped or None)
    except Exception as error:
        text = str(error)
        if "weights_only" in text.lower() or "unsupported" in text.lower():
            import re

            named = re.search(r"GLOBAL (\S+)", text)
            what = f"asks for {named[1]} when it is read" if named else "holds more than tensors"
            raise LoadError(
                f"{source.given} {what}, which could run any code, and is not read. If you trust it, read it "
                "yourself and save its tensors: safetensors.torch.save_file(module.state_dict(), path)."
            ) from error
        raise LoadError(
            f"{source.given} is not a whole file of torch.save: {first_line(error)}. Download it again."
        ) from error


def _flattened(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for name, inner in value.items():
            yield from _flattened(inner, f"{prefix}.{name}" if prefix else str(name), depth + 1)
    elif prefix:
        yield prefix, value
