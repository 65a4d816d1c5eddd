"""Reading tensors from a file that is mapped into memory, a few elements at a time where few are asked for."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import stored_nbytes
from workbench.errors import LoadError

from .packed import group_size, unpack


def map_file(path: Path, given: str) -> memoryview:
    """Map a file for reading; an empty one too."""
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:  # an empty file cannot be mapped
        return memoryview(b"")
    except OSError as error:
        raise LoadError(f"{given} cannot be read: {error.strerror}. It was there when the model was loaded.") from error


def read_elements(
    data: memoryview, start: int, dtype: str, first: int, last: int, *, given: str
) -> np.ndarray[Any, Any]:
    """Read some elements of a tensor from a file, which may have shrunk since its header was read.

    Parameters
    ----------
    data
        The file.
    start
        The byte at which the tensor begins.
    dtype
        Of the tensor; one under 8 bits is packed.
    first, last
        Which elements of the flattened tensor, ``last`` excluded.
    given
        The file, as messages name it.
    """
    group = group_size(dtype)
    lead = first % group
    at = start + (first - lead) // group * stored_nbytes(dtype, group)
    nbytes = stored_nbytes(dtype, last - first + lead)
    part = data[at : at + nbytes]
    if len(part) < nbytes:
        raise LoadError(f"{given} is shorter than it was when it was loaded. Load it again.")
    return unpack(part, dtype, last - first + lead)[lead:]
