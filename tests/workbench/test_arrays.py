"""Names of dtypes, their bytes, and how a spec is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench import arrays
from workbench.errors import InputError


@pytest.mark.parametrize("name", arrays.DTYPE_BITS)
def test_every_dtype_has_a_numpy_dtype_that_has_its_name(name: str) -> None:
    dtype = arrays.numpy_dtype(name)
    assert arrays.dtype_name(dtype) == name
    assert dtype.itemsize * 8 == max(arrays.DTYPE_BITS[name], 8)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (np.dtype(">i4"), "int32"),
        (np.float32, "float32"),
        (np.dtype("<U3"), "string"),
        (np.dtype(object), "string"),
        (torch.bfloat16, "bfloat16"),
        (torch.float8_e4m3fn, "float8_e4m3fn"),
        (torch.int64, "int64"),
    ],
)
def test_dtypes_of_other_libraries_have_the_same_names(dtype: object, name: str) -> None:
    assert arrays.dtype_name(dtype) == name


def test_an_unknown_dtype_lists_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"'float99'.*float32.*string"):
        arrays.numpy_dtype("float99")


def test_a_spec_shows_symbols_and_unknowns() -> None:
    assert str(arrays.TensorSpec("x", "float32", ("batch", 3, None))) == "x: float32 [batch, 3, ?]"
    assert str(arrays.TensorSpec("x", "int64", None, optional=True)) == "x: int64 [...] (optional)"


@given(st.sampled_from(sorted(arrays.DTYPE_BITS)), st.integers(0, 10**30))
def test_stored_bytes_hold_all_bits_and_no_byte_more(dtype: str, count: int) -> None:
    bits = arrays.DTYPE_BITS[dtype] * count
    assert bits <= 8 * arrays.stored_nbytes(dtype, count) < bits + 8
