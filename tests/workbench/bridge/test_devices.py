"""The configuration is a value; a device, library or memory that is not there is said with the next step."""

from __future__ import annotations

import dataclasses
import pickle
from importlib.util import find_spec
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import workbench as wb
from workbench.errors import InputError, MissingLibraryError

NO_CUDA = torch.version.cuda is None
without_cuda = pytest.mark.skipif(not NO_CUDA, reason="this torch has CUDA")


def test_a_bridge_is_a_value() -> None:
    bridge = wb.TorchBridge(pool_nbytes=1 << 20, pinned=False)
    assert repr(bridge) == "TorchBridge(device='cpu', cuda=None, pool_nbytes=1048576, pinned=False)"
    assert bridge == wb.TorchBridge("cpu", pool_nbytes=1 << 20, pinned=False)
    assert hash(bridge) == hash(wb.TorchBridge("cpu", pool_nbytes=1 << 20, pinned=False))
    assert bridge != wb.TorchBridge()
    with pytest.raises(dataclasses.FrozenInstanceError):
        bridge.device = "cuda"  # type: ignore[misc]
    larger = dataclasses.replace(bridge, pool_nbytes=2 << 20)
    larger.tensor(bytes(1 << 20))
    assert bridge.pool.made == 0
    assert dataclasses.asdict(bridge) == {"device": "cpu", "cuda": None, "pool_nbytes": 1 << 20, "pinned": False}
    sent = pickle.loads(pickle.dumps(bridge))
    assert sent == bridge
    assert sent.tensor(b"ab").tolist() == [97, 98]


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"},
        {"device": "meta"},
        {"device": 1.5},
        {"cuda": "yes"},
        {"pinned": 2},
        {"pool_nbytes": -1},
        {"pool_nbytes": 1.5},
        {"pool_nbytes": True},
        {"cuda": False, "pinned": True},
        {"cuda": False, "device": "cuda"},
    ],
)
def test_a_configuration_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        wb.TorchBridge(**options)


@without_cuda
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"device": "cuda:3"}, {"cuda": True}, {"pinned": True}])
def test_a_torch_without_cuda_says_how_to_get_it(options: dict[str, Any]) -> None:
    with pytest.raises(MissingLibraryError, match=r"built without it.*pip install torch.*device='cpu'"):
        wb.TorchBridge(**options)


@without_cuda
def test_each_way_to_a_gpu_says_that_there_is_none(bridge: wb.TorchBridge) -> None:
    tensor = torch.zeros(2)
    for move in (bridge.to, bridge.to_async):
        with pytest.raises(MissingLibraryError, match="CUDA"):
            move(tensor, "cuda")
    with pytest.raises(MissingLibraryError, match="CUDA"):
        bridge.tensor(b"ab", device=torch.device("cuda", 0))
    with pytest.raises(InputError, match=r"no device 'mps'"):
        bridge.to(tensor, "mps")
    assert not bridge.share_report()


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")
def test_without_cupy_there_is_the_line_that_installs_it(bridge: wb.TorchBridge) -> None:
    with pytest.raises(MissingLibraryError, match="pip install cupy-cuda12x"):
        bridge.to_cupy(torch.zeros(2))
    with pytest.raises(InputError, match="cuda=False"):
        wb.TorchBridge(cuda=False).to_cupy(torch.zeros(2))


@pytest.mark.parametrize("device", [None, "cpu", "cpu:0", torch.device("cpu")])
def test_read_only_memory_is_copied_for_the_cpu_by_any_name(device: Any) -> None:
    bridge = wb.TorchBridge("cpu" if device is None else device)
    raw = bytes(4)
    bridge.tensor(raw, device=device).add_(1)
    assert raw == bytes(4)
    assert repr(bridge).startswith("TorchBridge(device='cpu'")


def test_on_the_cpu_nothing_moves(bridge: wb.TorchBridge) -> None:
    tensor = torch.arange(3)
    assert bridge.to(tensor, "cpu") is tensor
    pending = bridge.to_async(tensor, torch.device("cpu"))
    assert pending.done()
    assert pending.result() is pending.wait() is tensor
    assert repr(pending) == "a copy to cpu, int64 (3,)"
    assert all(transfer.shared for transfer in bridge.share_report())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "int8"])
def test_arrays_of_jax_cannot_be_written_and_so_are_copied(bridge: wb.TorchBridge, dtype: str) -> None:
    array = jnp.arange(4).astype(dtype)
    tensor = bridge.to_torch(array)
    assert str(tensor.dtype) == f"torch.{dtype}"
    assert tensor.float().tolist() == [0, 1, 2, 3]
    shared = bridge.to_torch(array, readonly="share")
    assert shared.data_ptr() == array.unsafe_buffer_pointer() != tensor.data_ptr()
    assert [(transfer.source, transfer.shared) for transfer in bridge.share_report()] == [("jax", False), ("jax", True)]


class Legacy:
    """A library whose DLPack is older than the flag for read-only memory."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __dlpack__(self) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


class Current(Legacy):
    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize(("library", "shared"), [(Legacy, False), (Current, True)])
def test_memory_of_any_library_with_dlpack(bridge: wb.TorchBridge, library: type[Legacy], shared: bool) -> None:
    array = np.arange(3.0)
    tensor = bridge.to_torch(library(array))
    assert (tensor.data_ptr() == array.ctypes.data) == shared
    assert bridge.share_report()[0].shared == shared
    assert bridge.to_numpy(library(array)).ctypes.data == array.ctypes.data


def test_a_library_that_exports_nothing(bridge: wb.TorchBridge) -> None:
    for array in (np.array(["text"]), np.array([1], "M8[s]")):
        with pytest.raises(InputError, match="does not export its memory"):
            bridge.to_torch(Current(array))


def test_a_tensor_of_a_model(bridge: wb.TorchBridge, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.zeros(1))
    from safetensors.numpy import save_file

    save_file({"w": np.arange(6, dtype=np.float16).reshape(2, 3)}, tmp_path / "model.safetensors")
    stored = wb.load(tmp_path / "model.safetensors").tensors["w"]
    tensor = bridge.to_torch(stored, readonly="share")
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bridge.share_report()[0].source == "a model's tensor"
    assert bridge.share_report()[0].shared
