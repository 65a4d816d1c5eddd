"""One array as ``numpy.save`` writes it: its header read, its elements when asked for.

The layout is that of https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. NumPy's own functions read
from a path or a whole stream, and give neither a part of an array nor its place in a larger file.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import dtype_name
from workbench.errors import LoadError
from workbench.models.content import Content
from workbench.models.source import Source
from workbench.models.tensor import Tensor, is_possible

if TYPE_CHECKING:
    from workbench.models.stats import Scan

MAGIC = b"\x93NUMPY"
HEAD = 12
"""Bytes before the header's text, at most."""
_MOST_HEADER = 1 << 16
"""Characters of a header; more would be read by a parser that takes them for Python."""


@dataclass(frozen=True)
class Header:
    """What a file says of its array.

    Parameters
    ----------
    dtype, shape
        As stored.
    fortran
        Whether the first index changes fastest.
    nbytes
        Bytes before the elements.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    nbytes: int

    @property
    def elements_nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    def array(self, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return bytes of elements as a flat array in this machine's byte order; text as Python's."""
        found = raw.view(self.dtype) if raw.size else np.empty(0, self.dtype)
        if self.dtype.kind == "S":
            return np.array([text.decode("utf-8", "backslashreplace") for text in found.tolist()], object)
        if self.dtype.kind == "U":
            return found.astype(object)
        if not found.flags.aligned:
            found = found.copy()
        return found.astype(self.dtype.newbyteorder("="), copy=False)


def file_tensor(source: Source) -> Tensor:
    """Return the array of a ``.npy``.

    Raises
    ------
    workbench.errors.LoadError
        If it is damaged, or has objects, which are a pickle.
    """
    content = Content(source.given, source.path, source.data)
    header = read_header(source.given, lambda count: content.read(0, min(count, content.size)).tobytes())
    if header.dtype.hasobject:
        raise pickled(source.given)
    name = Path(source.label).name.removesuffix(".npy") if source.path is not None else "array"
    return placed_tensor(content, source.given, name, header, header.nbytes)


def read_header(given: str, begin: Callable[[int], bytes]) -> Header:
    """Return a header.

    Parameters
    ----------
    given
        The array, for messages.
    begin
        Returns so many bytes from the beginning, or fewer where there are no more.

    Raises
    ------
    workbench.errors.LoadError
        If it breaks a rule of the format; the message says which.
    """
    head = begin(HEAD)
    if len(head) < HEAD or not head.startswith(MAGIC) or head[6] not in (1, 2, 3):
        raise _broken(given, "it does not begin with NumPy's mark and a version from 1 to 3")
    start, width = (10, 2) if head[6] == 1 else (12, 4)
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > _MOST_HEADER:
        raise _broken(given, f"its header claims {length} characters; {_MOST_HEADER} is the most")
    text = begin(start + length)[start:]
    if len(text) < length:
        raise _broken(given, f"its header claims {length} characters and only {len(text)} follow; it was cut off")
    try:
        entries = ast.literal_eval(text.decode("utf-8" if head[6] == 3 else "latin1").strip())
        dtype = np.lib.format.descr_to_dtype(entries["descr"])
        shape, fortran = entries["shape"], entries["fortran_order"]
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, MemoryError, RecursionError) as error:
        raise _broken(given, f"its header {text[:60]!r} is not one: {str(error)[:100]}") from error
    sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes or type(fortran) is not bool or not is_possible(shape, max(dtype.itemsize, 1)):
        raise _broken(given, f"its shape is {str(shape)[:100]}, which no array has")
    return Header(dtype, shape, fortran, start + length)


def placed_tensor(content: Content, given: str, name: str, header: Header, start: int) -> Tensor:
    """Return the tensor whose elements begin at a byte of a file, after checking that they are all there."""
    nbytes, itemsize = header.elements_nbytes, header.dtype.itemsize
    if start + nbytes > content.size:
        raise _broken(
            given, f"its array needs {nbytes} bytes and {max(content.size - start, 0)} are there; it was cut off"
        )

    def read() -> np.ndarray[Any, Any]:
        flat = header.array(content.view(start, nbytes))
        return flat.reshape(header.shape, order="F" if header.fortran else "C")

    def read_flat(first: int, last: int) -> np.ndarray[Any, Any]:
        return header.array(content.read(start + first * itemsize, (last - first) * itemsize))

    @contextmanager
    def scan() -> Iterator[Scan]:
        with content.scan(whole=header.dtype.isnative and start % itemsize == 0) as parts:
            yield lambda first, last: map(header.array, parts(start + first * itemsize, (last - first) * itemsize))

    # in Fortran's order, elements that are neighbours in the array are not neighbours in the file
    in_order = not header.fortran or len(header.shape) < 2
    return Tensor(
        name, dtype_name(header.dtype), header.shape, nbytes, read, read_flat if in_order else None, scan=scan
    )


def pickled(given: str) -> LoadError:
    """Return the error for an array of objects."""
    return LoadError(
        f"{given} has Python objects, which NumPy stores as a pickle; that could run any code when it is read, and is "
        "not read here. Save it as an array of numbers or of text: numpy.save(path, array.astype(float))."
    )


def _broken(given: str, why: str) -> LoadError:
    return LoadError(f"{given} is not a whole NumPy file: {why}. Download or save it again.")
