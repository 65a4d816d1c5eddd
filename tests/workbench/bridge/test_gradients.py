"""Gradients are asked for, kept, and left behind only where that is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.errors import InputError


def test_a_tensor_on_shared_memory_can_learn(bridge: wb.TorchBridge) -> None:
    weights = np.array([1.0, 2.0], np.float32)
    tensor = bridge.tensor(weights, requires_grad=True)
    (tensor**2).sum().backward()
    assert tensor.grad is not None
    with torch.no_grad():
        tensor -= 0.5 * tensor.grad
    assert tensor.grad.tolist() == [2, 4]
    assert weights.tolist() == [0, 0]


def test_a_new_leaf_leaves_the_given_tensor_as_it_is(bridge: wb.TorchBridge) -> None:
    given = torch.ones(2)
    leaf = bridge.tensor(given, requires_grad=True)
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert not given.requires_grad
    assert leaf.data_ptr() == given.data_ptr()


def test_a_graph_goes_on_through_the_bridge(bridge: wb.TorchBridge) -> None:
    start = torch.ones(2, requires_grad=True)
    bridge.to(3 * start, "cpu").sum().backward()
    assert start.grad is not None
    assert start.grad.tolist() == [3, 3]


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8", "int4"])
def test_only_floats_have_gradients(bridge: wb.TorchBridge, dtype: str) -> None:
    with pytest.raises(InputError, match="only floating and complex numbers have gradients"):
        bridge.tensor(bytearray(4), dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("call", ["to_numpy", "to_bytes", "to_buffer"])
def test_a_gradient_is_left_behind_only_if_that_is_said(bridge: wb.TorchBridge, call: str) -> None:
    tensor = torch.ones(2, requires_grad=True)
    leave: Any = getattr(bridge, call)
    for value in (tensor, torch.nn.Parameter(torch.ones(2)), 2 * tensor):
        with pytest.raises(InputError, match=rf"{call}.*requires grad.*detach=True"):
            leave(value)
    assert bytes(leave(tensor, detach=True)) == np.ones(2, np.float32).tobytes()
    assert tensor.requires_grad


def test_what_torch_computes_as_it_reads_is_computed(bridge: wb.TorchBridge) -> None:
    tensor = torch.tensor([1 + 2j]).conj()
    assert bridge.to_numpy(tensor).tolist() == [1 - 2j]
    assert bridge.to_numpy(tensor.imag).tolist() == [-2]
    assert not any(transfer.shared for transfer in bridge.share_report())
    with pytest.raises(InputError, match="conjugates or negates"):
        bridge.to_buffer(tensor)
