"""A safetensors file: its header read for names, dtypes and shapes, its tensors from a memory map when asked for.

The reader is our own: the library's ``safe_open`` has no NumPy arrays for float8 and float4, gives no range
of packed elements, and its errors do not say what to do next. The layout is that of
https://huggingface.co/docs/safetensors: eight bytes with the header's length, the header as JSON, the data.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, element_count, stored_nbytes
from workbench.errors import LoadError
from workbench.models.content import Content
from workbench.models.model import Tensor
from workbench.models.source import Source
from workbench.models.tensor import is_possible

DTYPES = {
    "BOOL": "bool",
    "I8": "int8",
    "U8": "uint8",
    "I16": "int16",
    "U16": "uint16",
    "I32": "int32",
    "U32": "uint32",
    "I64": "int64",
    "U64": "uint64",
    "F4": "float4_e2m1fn",
    "F6_E2M3": "float6_e2m3fn",
    "F6_E3M2": "float6_e3m2fn",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_MOST_HEADER = 100_000_000  # bytes; the library's own limit


def looks_like_safetensors(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a safetensors file."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 48


class SafetensorsFile:
    """The tensors and the metadata of one file; nothing but the header is read.

    Parameters
    ----------
    source
        The file.

    Raises
    ------
    workbench.errors.LoadError
        If the header breaks a rule of the format; the message says which.
    """

    def __init__(self, source: Source) -> None:
        self._given = source.given
        self._content = Content(source.given, source.path, source.data)
        self._path = source.path
        length, header = self._header(source)
        self._start = 8 + length
        self.metadata: dict[str, str] = {}
        if "__metadata__" in header:
            metadata = header.pop("__metadata__")
            self._hold(isinstance(metadata, dict), "its __metadata__ is not an object")
            self.metadata = {str(key): str(value) for key, value in metadata.items()}
        self.tensors = list(self._tensors(header, self._content.size - self._start))

    def _header(self, source: Source) -> tuple[int, dict[str, Any]]:
        length = int.from_bytes(source.head[:8], "little")
        self._hold(
            8 + length <= source.size,
            f"its header claims {length} bytes and only {max(source.size - 8, 0)} follow; it was cut off, or is no "
            "safetensors file",
        )
        self._hold(length <= _MOST_HEADER, f"its header claims {length} bytes; {_MOST_HEADER} is the most")
        text = source.read(8 + length)[8:]
        try:
            header = json.loads(text, object_pairs_hook=_without_doubles)
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._broken(f"its header is not JSON: {error}") from error
        self._hold(isinstance(header, dict), "its header is not a JSON object")
        return length, header

    def _tensors(self, header: dict[str, Any], available: int) -> Iterator[Tensor]:
        places = []
        for name, entry in header.items():
            try:
                code, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            except (KeyError, TypeError, ValueError) as error:
                rule = "needs a dtype, a shape and data_offsets"
                raise self._broken(f"tensor {name!r} {rule}, and has {str(entry)[:100]}") from error
            self._hold(isinstance(code, str) and code in DTYPES, f"tensor {name!r} has the unknown dtype {code!r:.40}")
            numbers = (*shape, begin, end)
            self._hold(
                all(type(number) is int and 0 <= number < 1 << 63 for number in numbers),
                f"tensor {name!r} has a shape or offset that is no size: {str(numbers)[:100]}",
            )
            dtype = DTYPES[code]
            nbytes = stored_nbytes(dtype, element_count(shape))
            self._hold(
                end - begin == nbytes,
                f"tensor {name!r}, {dtype} {list(shape)}, needs {nbytes} bytes and its offsets give {end - begin}",
            )
            self._hold(
                end <= available,
                f"tensor {name!r} ends at byte {end} of the data and the file has only {available} bytes of it; "
                "it was cut off",
            )
            self._hold(
                is_possible(shape, max(DTYPE_BITS[dtype] // 8, 1)),
                f"tensor {name!r} has the shape {str(shape)[:100]}, which no array has",
            )
            places.append((begin, end, name))
            yield self._tensor(name, dtype, shape, begin, end)
        reached, previous = 0, "the header"
        for begin, end, name in sorted(places):
            self._hold(
                begin == reached, f"tensor {name!r} does not begin where {previous} ends; it overlaps or leaves a hole"
            )
            reached, previous = end, repr(name)
        self._hold(reached == available, f"{available - reached} bytes follow after the last tensor")

    def _tensor(self, name: str, dtype: str, shape: tuple[int, ...], begin: int, end: int) -> Tensor:
        content, start = self._content, self._start + begin

        def read_flat(first: int, last: int) -> np.ndarray[Any, Any]:
            return content.elements(start, dtype, first, last)

        def read() -> np.ndarray[Any, Any]:
            return content.elements(start, dtype, 0, element_count(shape), whole=True).reshape(shape)

        place = None if self._path is None or DTYPE_BITS[dtype] < 8 else (self._path, start)
        scan = functools.partial(content.scan_elements, start, dtype)
        return Tensor(name, dtype, shape, end - begin, read, read_flat, place=place, scan=scan)

    def _hold(self, rule: bool, otherwise: str) -> None:
        if not rule:
            raise self._broken(otherwise)

    def _broken(self, why: str) -> LoadError:
        return LoadError(f"{self._given} is not a whole safetensors file: {why}. Download or save it again.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name occurs twice")
    return entries
