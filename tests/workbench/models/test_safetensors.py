"""Safetensors: every dtype against the library, laziness, windows, and what is wrong with damaged files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.arrays import DTYPE_BITS, numpy_dtype
from workbench.errors import InputError, LoadError, RunError
from workbench.models.formats.safetensors.file import DTYPES
from workbench.models.packed import pack, unpack


def file_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.bool, torch.int8, torch.uint8, torch.uint16, torch.int16, torch.int32, torch.int64, torch.float16),
        *(torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2),
    ],
    ids=str,
)
def test_reads_what_torch_wrote(dtype: torch.dtype, tmp_path: Path) -> None:
    values = torch.tensor([[0, 1, 0], [1, 1, 0]]).to(dtype)
    safetensors.torch.save_file({"w": values, "scalar": values[0, 1].clone()}, tmp_path / "w.safetensors")
    tensors = wb.load(tmp_path / "w.safetensors").tensors
    assert tensors["w"].dtype == str(dtype).removeprefix("torch.")
    assert tensors["w"].numpy().astype(np.complex64).tolist() == values.to(torch.complex64).tolist()
    assert tensors["scalar"].shape == ()


@given(st.sampled_from(sorted(set(DTYPES.values()))), st.data())
def test_any_range_of_any_dtype_is_that_of_the_whole(dtype: str, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=1, max_size=60))
    count = len(raw) * 8 // DTYPE_BITS[dtype]
    raw = raw[: -(-count * DTYPE_BITS[dtype] // 8)]
    raw = bytes(byte & 1 for byte in raw) if dtype == "bool" else raw
    code = next(code for code, name in DTYPES.items() if name == dtype)
    header = {"t": {"dtype": code, "shape": [count], "data_offsets": [0, len(raw)]}}
    tensor = wb.load(file_of(header, raw)).tensors["t"]
    assert tensor.read_flat is not None
    start = data.draw(st.integers(0, count))
    stop = data.draw(st.integers(start, count))
    whole = tensor.numpy()
    assert tensor.read_flat(start, stop).tobytes() == whole[start:stop].tobytes()
    assert whole.dtype == numpy_dtype(dtype)


@given(st.sampled_from(sorted(DTYPE_BITS)), st.data())
def test_packing_and_unpacking_are_inverse(dtype: str, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 40))
    bits = [
        data.draw(st.integers(0, 1 if dtype == "bool" else 255)) for _ in range(count * numpy_dtype(dtype).itemsize)
    ]
    array = np.array(bits, np.uint8).view(numpy_dtype(dtype))
    packed = pack(array, dtype)
    assert pack(unpack(packed, dtype, count), dtype).tobytes() == packed.tobytes()


def test_four_bits_come_low_half_first_as_in_torch() -> None:
    assert unpack(bytes([0x21, 0x0F]), "uint4", 3).tolist() == [1, 2, 15]
    assert unpack(bytes([0x81]), "int4", 2).astype(int).tolist() == [1, -8]


def test_a_window_shows_the_part_that_was_asked_for(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 100 * 90, dtype=np.float32).reshape(2, 3, 100, 90)
    safetensors.numpy.save_file(
        {"w": values, "v": values[0, 0, 0], "s": values[0, 0, 0, 0, ...]}, tmp_path / "w.safetensors"
    )
    tensors = wb.load(tmp_path / "w.safetensors").tensors
    assert (tensors["w"].slice2d() == values[0, 0, :64, :64]).all()
    assert (tensors["w"].slice2d(90, 80, leading=(1, 2)) == values[1, 2, 90:, 80:]).all()
    assert (tensors["w"].slice2d(5, height=2, width=90) == values[0, 0, 5:7]).all()
    assert tensors["v"].slice2d(0, 88).tolist() == [[88, 89]]
    assert tensors["s"].slice2d().tolist() == [[0]]
    for wrong in [{"row": 100}, {"column": -1}, {"leading": (2, 0)}, {"leading": (0,)}, {"leading": 3}, {"height": 0}]:
        with pytest.raises(InputError):
            tensors["w"].slice2d(**wrong)


def test_an_empty_tensor_has_an_empty_window(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.empty((3, 0), np.float32)}, tmp_path / "w.safetensors")
    tensor = wb.load(tmp_path / "w.safetensors").tensors["w"]
    assert tensor.slice2d().shape == (3, 0)
    assert tensor.numpy().shape == (3, 0)
    assert tensor.stats().count == 0


def test_it_says_that_it_cannot_run() -> None:
    model = wb.load(file_of({"__metadata__": {"format": "pt"}}))
    assert model.info.metadata == {"format": "pt"}
    with pytest.raises(RunError, match=r"config\.json"):
        model.run({})


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (file_of({"a": entry()}, bytes(7)), "cut off"),
        (file_of({"a": entry()}, bytes(9)), "1 bytes follow"),
        (file_of({"a": entry(offsets=(0, 12))}, bytes(12)), "needs 8 bytes"),
        (file_of({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "overlaps"),
        (file_of({"a": entry(offsets=(4, 12))}, bytes(12)), "hole"),
        (file_of({"a": entry("F33")}, bytes(8)), "unknown dtype 'F33'"),
        (file_of({"a": entry(shape=(-2,))}, bytes(8)), "no size"),
        (file_of({"a": entry(shape=(2.0,))}, bytes(8)), "no size"),
        (file_of({"a": entry(shape=(True, 2))}, bytes(8)), "no size"),
        (file_of({"a": entry(shape=[2**62, 2**62, 2**62])}, bytes(8)), "needs"),
        (file_of({"a": entry(shape=[0, 2**62, 2**62], offsets=(0, 0))}), "no array has"),
        (file_of({"a": entry(shape=[1] * 65, offsets=(0, 4))}, bytes(4)), "no array has"),
        (file_of({"a": 1}), "needs a dtype"),
        (file_of({"a": entry(shape="ab")}, bytes(8)), "no size"),
        (file_of({"__metadata__": 1}), "__metadata__"),
        (file_of(b'{"a": 1, "a": 1}'), "twice"),
        (file_of(b'{"a": '), "not JSON"),
        (file_of(b'{"a":' * 100_000), "not JSON"),
        (file_of(b'{"a": ' + b"9" * 10_000 + b"}"), "not JSON"),
        ((10**12).to_bytes(8, "little") + b'{"a": 1}', "claims 1000000000000 bytes"),
        (file_of({"a": entry()})[:20], "claims"),
    ],
)
def test_damage_is_named(content: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for source, name in [(str(path), str(path)), (content, "the given bytes object")]:
        with pytest.raises(LoadError, match=rule) as caught:
            wb.load(source)
        assert str(caught.value).startswith(name)


def test_a_folder_of_shards_needs_no_configuration(tmp_path: Path) -> None:
    for shard, name in enumerate("abc"):
        safetensors.numpy.save_file({name: np.full(3, shard, np.float32)}, tmp_path / f"model-{shard}.safetensors")
    places = {name: f"model-{shard}.safetensors" for shard, name in enumerate("abc")}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    model = wb.load(tmp_path)
    assert model.info.format == "safetensors"
    assert {name: tensor.numpy().tolist() for name, tensor in model.tensors.items()} == {
        "a": [0] * 3,
        "b": [1] * 3,
        "c": [2] * 3,
    }
    with pytest.raises(LoadError, match="load its folder"):
        wb.load(tmp_path / "model.safetensors.index.json")
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(LoadError, match=r"lacks the file model-1\.safetensors"):
        wb.load(tmp_path)


def test_a_file_that_shrinks_after_loading_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"w": np.ones(1000)}, path)
    tensor = wb.load(path).tensors["w"]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LoadError, match="shorter"):
        tensor.numpy()


HUGE = """
import json, os, sys
import workbench as wb
from workbench.models.load import load

path, count, side = sys.argv[1], 2000, 1600
header, at = {}, 0
for index in range(count):
    entry = {"dtype": "F32", "shape": [side, side], "data_offsets": [at, at := at + 4 * side * side]}
    header[f"layer.{index}.weight"] = entry
text = json.dumps(header).encode()
with open(path, "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    file.truncate(8 + len(text) + at)
assert os.path.getsize(path) > 20e9

def bytes_read():
    return int(next(line for line in open("/proc/self/io") if line.startswith("rchar")).split()[1])

import workbench.models.formats
workbench.models.formats.formats()
before = bytes_read()
model = load(path)
listed = bytes_read() - before
assert len(model.tensors) == count and model.info.nbytes == at
window = model.tensors["layer.1999.weight"].slice2d(1590, 1590)
print(json.dumps({
    "listed": listed, "header": len(text), "zeros": bool((window == 0).all()), "shape": window.shape,
    "megabytes": int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1000,
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/io")
def test_twenty_gigabytes_are_listed_by_reading_the_header_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUGE, str(tmp_path / "huge.safetensors")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["listed"] < found["header"] + 10_000
    assert found["zeros"]
    assert found["shape"] == [10, 10]
    assert found["megabytes"] < 150
