"""Checkpoints larger than memory: their tensors are listed from headers alone, and read in parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import workbench as wb

LIST = """
import json, sys, time
import workbench as wb

wb.load((2).to_bytes(8, "little") + b"{}")  # what modules read while they are imported is not the model's

def bytes_read():
    return int(next(line for line in open("/proc/self/io") if line.startswith("rchar")).split()[1])

before, began = bytes_read(), time.perf_counter()
model = wb.load(sys.argv[1])
tensors = [(name, tensor.dtype, tensor.shape, tensor.nbytes) for name, tensor in model.tensors.items()]
seconds, listed = time.perf_counter() - began, bytes_read() - before
peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1000
last = model.tensors["layers.29.59.weight"].slice2d(4090, 4090)
print(json.dumps({
    "tensors": len(tensors), "seconds": seconds, "nbytes": model.info.nbytes, "listed": listed, "megabytes": peak,
    "last": last.astype("float32").tolist(), "format": model.info.format,
}))
"""


def write_shards(folder: Path, shards: int = 30, each: int = 60, side: int = 4096) -> int:
    """Write a checkpoint of 60 GB that takes no room on the disk; return the bytes of its headers and its index."""
    places, headers = {}, 0
    for shard in range(shards):
        header, at = {}, 0
        for place in range(each):
            name = f"layers.{shard}.{place}.weight"
            entry = {"dtype": "BF16", "shape": [side, side], "data_offsets": [at, at := at + 2 * side * side]}
            header[name], places[name] = entry, f"model-{shard:05}.safetensors"
        text = json.dumps(header).encode()
        with (folder / f"model-{shard:05}.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + at)
        headers += 8 + len(text)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return headers + index.stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/io")
@pytest.mark.parametrize("config", [None, {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}])
def test_sixty_gigabytes_in_shards_are_listed_by_their_headers(tmp_path: Path, config: object) -> None:
    headers = write_shards(tmp_path)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run([sys.executable, "-c", LIST, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["format"] == ("safetensors" if config is None else "huggingface")
    assert (found["tensors"], found["nbytes"]) == (1800, 1800 * 2 * 4096 * 4096)
    assert found["listed"] < headers + 30 * 600 + 10_000  # of each shard its first bytes twice
    assert found["megabytes"] < 150
    assert found["last"] == np.zeros((6, 6)).tolist()


STATISTICS = """
import sys
import numpy as np, workbench as wb

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1000

tensors = wb.load(sys.argv[1]).tensors
for name in ("warm float32", "warm bfloat16"):
    tensors[name].stats()  # loads the compiler
open("/proc/self/clear_refs", "w").write("5")  # the peak is from now on
before = peak()
for name in ("float32", "bfloat16"):
    stats = tensors[name].stats()
    assert stats.count == stats.zeros == 1 << 28
    assert stats is tensors[name].stats()
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_statistics_of_a_gigabyte_take_little_memory(tmp_path: Path) -> None:
    header, at = {}, 0
    for name, code, count in [
        *(("warm float32", "F32", 8), ("warm bfloat16", "BF16", 8)),
        *(("float32", "F32", 1 << 28), ("bfloat16", "BF16", 1 << 28)),
    ]:
        nbytes = count * (4 if code == "F32" else 2)
        header[name] = {"dtype": code, "shape": [count], "data_offsets": [at, at := at + nbytes]}
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    done = subprocess.run([sys.executable, "-c", STATISTICS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 64


def test_an_onnx_model_over_two_gigabytes_is_described_and_read_in_parts(tmp_path: Path) -> None:
    side = 1 << 15
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[side, side], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", "offset": "64", "length": str(4 * side * side)}.items():
        weight.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", side]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "m.onnx")
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(64 + 4 * side * side)
        file.seek(64 + 4 * (side * side - 1))
        file.write(np.float32(7).tobytes())
    model = wb.load(tmp_path / "m.onnx")
    assert model.info.nbytes == 4 << 30
    assert model.tensors["w"].slice2d(side - 2, side - 2).tolist() == [[0, 0], [0, 7]]
    assert model.cost(batch=3).macs == 3 * side * side
    assert model.tensors["w"].numpy()[-1, -1] == 7
