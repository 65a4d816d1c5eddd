"""Where a tensor's values lie in its file, for what maps files itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import workbench as wb
from workbench.models.tensor import Tensor


def mapped(tensor: Tensor) -> np.ndarray[Any, Any]:
    assert tensor.place is not None
    path, start = tensor.place
    return np.memmap(path, tensor.dtype, "r", start, tensor.shape)


def test_the_values_of_a_file_are_where_it_says(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "a.weight": random.standard_normal((3, 5)).astype(np.float32),
        "b": random.integers(0, 9, 7),
        "c": random.standard_normal((2, 2, 2)).astype(np.float16),
    }
    safetensors.numpy.save_file(arrays, tmp_path / "some.safetensors")
    model = wb.load(tmp_path / "some.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(mapped(model.tensors[name]), array)


def test_and_those_of_a_checkpoint(bert: Path) -> None:
    for tensor in wb.load(bert).tensors.values():
        np.testing.assert_array_equal(mapped(tensor), tensor.numpy())


def test_what_lies_in_no_file_has_no_place(bert: Path, tmp_path: Path) -> None:
    data = (bert / "model.safetensors").read_bytes()
    np.savez(tmp_path / "some.npz", a=np.ones(3))
    for model in (wb.load(data), wb.load(tmp_path / "some.npz"), wb.load("sample:mlp")):
        assert {tensor.place for tensor in model.tensors.values()} == {None}
