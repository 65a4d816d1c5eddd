"""On a GPU: pinned staging, streams and events, CuPy on torch's memory."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.arrays import DTYPE_BITS

MIB = 1 << 20
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason="needs a GPU, and a torch with CUDA; there: make gpu",
    ),
]
needs_cupy = pytest.mark.skipif(find_spec("cupy") is None, reason="needs CuPy: pip install cupy-cuda12x")
WHOLE = sorted(name for name, bits in DTYPE_BITS.items() if bits >= 8)


def test_read_only_memory_goes_up_without_a_copy_before() -> None:
    bridge = wb.TorchBridge(device="cuda", pinned=False)
    assert bridge.tensor(bytes(2 * MIB)).sum() == 0
    assert bridge.share_report()[0].why == "to another device"
    assert bridge.pool.made == 0


def random(nbytes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)


@pytest.mark.parametrize("nbytes", [0, 1, MIB - 1, MIB, 16 * MIB, 50 * MIB + 3, 300 * MIB])
@pytest.mark.parametrize("pinned", [None, False])
def test_bytes_go_there_and_back(nbytes: int, pinned: bool | None) -> None:
    bridge = wb.TorchBridge(device="cuda", pinned=pinned)
    raw = random(nbytes)
    tensor = bridge.tensor(raw)
    assert tensor.device == torch.device("cuda", torch.cuda.current_device())
    assert np.array_equal(tensor.cpu().numpy(), raw)
    assert np.array_equal(bridge.to_numpy(tensor), raw)
    assert np.array_equal(bridge.to(tensor, "cpu").numpy(), raw)
    staged = pinned is None and nbytes >= MIB
    assert ("through pinned memory" in bridge.share_report()[0].why) == staged
    assert (bridge.pool.pinned > 0) == staged
    assert bridge.pool.nbytes <= bridge.pool_nbytes
    assert not any(transfer.shared for transfer in bridge.share_report())


@pytest.mark.parametrize("dtype", WHOLE)
def test_every_dtype_keeps_its_bits(dtype: str) -> None:
    bridge = wb.TorchBridge(device="cuda")
    raw = random(2 * MIB) & (1 if dtype == "bool" else 255)
    tensor = bridge.tensor(raw, (2, -1), dtype)
    assert bridge.to_bytes(tensor) == raw.tobytes()


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.T, lambda x: x[::2], lambda x: x.expand(3, *x.shape)])
def test_layouts_keep_their_values(make: Any) -> None:
    bridge = wb.TorchBridge()
    there = make(torch.arange(MIB, dtype=torch.float32).reshape(1024, 1024))
    on_gpu = bridge.to(there, "cuda")
    assert torch.equal(on_gpu.cpu(), there)
    assert torch.equal(bridge.to(make(on_gpu), "cpu"), make(there))


def test_the_source_may_change_at_once() -> None:
    bridge = wb.TorchBridge()
    source = torch.ones(16 * MIB)
    pending = bridge.to_async(source, "cuda")
    source.zero_()
    assert bool((pending.result() == 1).all())
    torch.cuda.synchronize()
    assert pending.done()


def test_a_copy_back_waits_for_what_is_being_computed() -> None:
    bridge = wb.TorchBridge()
    matrix = torch.full((4096, 4096), 1 / 4096, device="cuda")
    for _ in range(20):
        matrix = matrix @ matrix
    pending = bridge.to_async(matrix, "cpu")
    del matrix
    back = pending.result()
    assert back.is_pinned()
    assert torch.allclose(back.sum(dim=1), torch.ones(4096), atol=1e-3)


def test_copies_dropped_under_way_disturb_nobody() -> None:
    bridge = wb.TorchBridge(pool_nbytes=64 * MIB)
    raw = [torch.full((8 * MIB,), value, dtype=torch.uint8) for value in range(8)]
    for _ in range(20):
        on_gpu = [bridge.to_async(item, "cuda") for item in raw]
        [bridge.to_async(item.result(), "cpu") for item in on_gpu]  # dropped at once
        back = [bridge.to_async(item.result(), "cpu") for item in on_gpu]
        assert all(bool((item.result() == value).all()) for value, item in enumerate(back))


def test_pinned_memory_comes_back_from_the_pool() -> None:
    bridge = wb.TorchBridge(pool_nbytes=64 * MIB, pinned=True)
    tensor = bridge.tensor(bytes(4 * MIB))
    assert tensor.is_pinned()
    assert int(bridge.to(tensor, "cuda").sum()) == 0
    assert "from memory that is pinned" in bridge.share_report()[-1].why
    del tensor
    torch.cuda.synchronize()
    bridge.to(torch.zeros(2 * MIB, dtype=torch.uint8), "cuda")
    bridge.empty_pool()
    assert bridge.pool.pinned == 0


def test_memory_that_cuda_does_not_pin_is_no_error() -> None:
    from workbench.bridge.devices import pin_memory

    block = np.empty(MIB, np.uint8)
    address = -(-block.ctypes.data // 4096) * 4096
    unpin = pin_memory(address, MIB // 2)
    with pytest.raises(OSError, match="cudaHostRegister refused"):
        pin_memory(address, MIB // 2)  # it is pinned already
    assert float(torch.ones(3, device="cuda").sum()) == 3
    unpin()


def test_autograd_follows_to_the_gpu_and_back() -> None:
    bridge = wb.TorchBridge()
    start = torch.ones(MIB, requires_grad=True)
    bridge.to(bridge.to(start, "cuda") * 2, "cpu").sum().backward()
    assert bool((start.grad == 2).all())


def test_errors_name_the_devices() -> None:
    with pytest.raises(wb.WorkbenchError, match=r"there are cpu, cuda:0"):
        wb.TorchBridge(device="cuda:99")
    tensor = torch.zeros(2, device="cuda")
    with pytest.raises(wb.WorkbenchError, match="cuda=False"):
        wb.TorchBridge(cuda=False).to_numpy(tensor)
    with pytest.raises(wb.WorkbenchError, match="no memory on the CPU"):
        wb.TorchBridge().to_buffer(tensor)
    with pytest.raises(wb.WorkbenchError, match="devices share no memory"):
        wb.TorchBridge().tensor(bytearray(4), device="cuda", copy=False)


@needs_cupy
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "int8", "uint8", "bool"])
def test_cupy_and_torch_share_the_gpu(dtype: str) -> None:
    import cupy

    bridge = wb.TorchBridge()
    tensor = torch.ones(6, device="cuda").to(getattr(torch, dtype))
    array = bridge.to_cupy(tensor)
    assert array.data.ptr == tensor.data_ptr()
    assert bridge.share_report()[-1].shared
    array[0] = 0
    assert tensor[0] == 0
    back = bridge.to_torch(array)
    assert back.data_ptr() == tensor.data_ptr()
    assert bridge.share_report()[-1].shared
    assert bridge.to_numpy(array).tolist() == tensor.cpu().tolist()
    from_host = bridge.to_cupy(np.arange(5, dtype=np.float32))
    assert isinstance(from_host, cupy.ndarray)
    assert from_host.get().tolist() == [0, 1, 2, 3, 4]
