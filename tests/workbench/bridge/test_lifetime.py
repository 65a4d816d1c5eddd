"""What shares memory keeps it alive and where it is, whatever becomes of the names it had."""

from __future__ import annotations

import array
import gc
import mmap
import weakref
from typing import Any

import numpy as np
import pytest
import torch

import workbench as wb

VALUES = np.arange(1000, dtype=np.float32)


def churn() -> None:
    """Write over what is free."""
    for _ in range(50):
        np.full(1000, -1, np.float32)
        bytearray(b"\xff" * 4000)


@pytest.mark.parametrize("readonly", ["copy", "share"])
@pytest.mark.parametrize(
    "make",
    [bytes, bytearray, lambda raw: array.array("f", raw), lambda raw: np.frombuffer(bytearray(raw), np.uint8)],
)
def test_the_source_may_be_forgotten(bridge: wb.TorchBridge, make: Any, readonly: Any) -> None:
    tensor = bridge.tensor(make(VALUES.tobytes()), dtype="float32", readonly=readonly)
    churn()
    assert np.array_equal(tensor.numpy(), VALUES)


def test_the_array_lives_as_long_as_the_tensor_and_no_longer(bridge: wb.TorchBridge) -> None:
    source = VALUES.copy()
    gone = weakref.ref(source)
    tensor = bridge.tensor(source)
    part = tensor[10:20]
    del source, tensor
    gc.collect()
    churn()
    assert gone() is not None
    assert part.tolist() == list(range(10, 20))
    del part
    assert gone() is None


def test_a_bytearray_cannot_grow_under_a_tensor(bridge: wb.TorchBridge) -> None:
    memory = bytearray(VALUES.tobytes())
    tensor = bridge.tensor(memory, dtype="float32")
    view = tensor[5:]
    del tensor
    with pytest.raises(BufferError):
        memory.extend(b"more")
    del view
    memory.extend(b"more")


def test_a_released_memoryview_leaves_the_tensor_its_memory(bridge: wb.TorchBridge) -> None:
    memory = bytearray(VALUES.tobytes())
    view = memoryview(memory)
    tensor = bridge.tensor(view, dtype="float32")
    view.release()
    with pytest.raises(BufferError):
        memory.clear()
    assert np.array_equal(tensor.numpy(), VALUES)


def test_a_map_cannot_be_closed_under_a_tensor(bridge: wb.TorchBridge) -> None:
    memory = mmap.mmap(-1, 4096)
    tensor = bridge.tensor(memory, dtype="float32")
    with pytest.raises(BufferError):
        memory.close()
    tensor[0] = 1
    assert memory[:4] == np.float32(1).tobytes()
    del tensor
    memory.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_leaves_keeps_the_tensor(bridge: wb.TorchBridge, dtype: torch.dtype) -> None:
    tensor = torch.arange(1000).to(dtype)
    expected = tensor.tolist()
    shown, buffer = bridge.to_numpy(tensor), bridge.to_buffer(tensor)
    del tensor
    churn()
    assert shown.astype(np.float32).tolist() == expected
    again = bridge.tensor(buffer, dtype=dtype)
    del buffer, shown
    churn()
    assert again.tolist() == expected


def test_a_tensor_outlives_the_bridge_and_its_pool() -> None:
    bridge = wb.TorchBridge()
    large = np.arange(1 << 20, dtype=np.float32)
    tensor = bridge.tensor(large.tobytes(), dtype="float32")
    assert bridge.pool.in_use
    del bridge
    churn()
    assert np.array_equal(tensor.numpy(), large)
