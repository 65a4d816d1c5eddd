"""Damaged files: each gives one of our errors, or a model that can be looked at; never another's exception, no hang."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import LoadError, WorkbenchError
from workbench.models import samples

RESNET = samples.available()["resnet50"].source()
FILES = {
    "onnx": samples.mlp(),
    "filled": RESNET.read_bytes()[:20_000] if not isinstance(RESNET, bytes) else RESNET,
    "safetensors": safetensors.numpy.save({"a": np.ones((3, 4), np.float32), "b": np.arange(5)}, {"format": "np"}),
}


def look_at_everything(content: bytes) -> bool:
    """Load and show all there is; return whether it is a model. Any exception but ours is the test's failure."""
    try:
        model = wb.load(content)
    except LoadError as error:
        assert str(error).startswith(("the given bytes object", "Two tensors"))
        return False
    repr(model.info)
    repr(model.tensors)
    repr(model.tensors.tree())
    symbols = {size for spec in model.info.inputs for size in spec.shape or () if isinstance(size, str)}
    with contextlib.suppress(WorkbenchError):
        repr(model.cost(**dict.fromkeys(symbols, 2)))
    for tensor in list(model.tensors.values())[:20]:
        try:
            tensor.slice2d()
            if tensor.size < 10**6:
                assert tensor.numpy().shape == tensor.shape
                tensor.stats()
        except WorkbenchError:
            pass
    return True


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_cut_off_at_every_length(kind: str) -> None:
    content = FILES[kind]
    assert look_at_everything(content)
    lengths = {*range(min(len(content), 700)), *range(0, len(content), 7), len(content) - 1}
    assert [length for length in lengths if look_at_everything(content[:length])] == []


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_single_bits_flipped(kind: str) -> None:
    source = random.Random(0)
    content = FILES[kind]
    for _ in range(1500):
        damaged = bytearray(content)
        # most of a file is weights, where any bit is as good as another: half the flips go to the structure
        end = len(content) if source.random() < 0.5 else min(300, len(content))
        damaged[source.randrange(end)] ^= 1 << source.randrange(8)
        look_at_everything(bytes(damaged))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", range(10))
def test_ten_thousand_seeds_of_flipped_bits(kind: str, share: int) -> None:
    for seed in range(1000 * share, 1000 * (share + 1)):
        source, damaged = random.Random(seed), bytearray(FILES[kind])
        for _ in range(source.randrange(1, 9)):
            end = len(damaged) if source.random() < 0.5 else min(300, len(damaged))
            damaged[source.randrange(end)] ^= 1 << source.randrange(8)
        look_at_everything(bytes(damaged))


@pytest.mark.parametrize("kind", FILES)
def test_many_bytes_replaced(kind: str) -> None:
    source = random.Random(1)
    for _ in range(150):
        damaged = bytearray(FILES[kind])
        for _ in range(source.randrange(1, 30)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        look_at_everything(bytes(damaged))


@given(st.binary(max_size=200))
def test_noise(content: bytes) -> None:
    look_at_everything(content)


@given(st.binary(max_size=60))
def test_noise_that_begins_like_a_model(content: bytes) -> None:
    look_at_everything(b"\x08\x08" + content)
    look_at_everything(len(content).to_bytes(8, "little") + b"{" + content)


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_model_never_ends_the_process_nor_prints_when_it_runs(
    seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(seed)
    damaged = bytearray(FILES["onnx"])
    for _ in range(source.randrange(1, 4)):
        damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
    with contextlib.suppress(WorkbenchError):
        wb.load(bytes(damaged)).run({"x": np.ones((2, 16), np.float32)})
    assert capfd.readouterr() == ("", "")


TRUNCATED = """
import os, sys
import numpy as np, safetensors.numpy
import workbench as wb
from workbench.errors import LoadError

path = sys.argv[1]
safetensors.numpy.save_file({"large": np.ones(9_000_000, np.float32), "small": np.ones(9_000, np.float32)}, path)
tensors = wb.load(path).tensors
mapped = tensors["large"].numpy()
assert not mapped.flags.writeable and mapped[-1] == 1
copied = tensors["large"].numpy(copy=True)
os.truncate(path, 5_000)
for tensor in tensors.values():
    for look in (tensor.stats, tensor.numpy, lambda: tensor.numpy(copy=True), lambda: tensor.slice2d(0, 8_000)):
        try:
            look()
        except LoadError as error:
            assert "shorter than it was" in str(error)
        else:
            raise AssertionError(tensor.name)
copied += 1
assert copied[-1] == 2
print("alive")
"""


def test_a_file_that_is_cut_off_while_its_tensors_are_mapped_does_not_end_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRUNCATED, str(tmp_path / "w.safetensors")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_file_that_was_written_anew_is_not_read_with_the_old_header(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(4, np.float32), "b": np.ones(4, np.float32)}, path)
    tensor = wb.load(path).tensors["a"]
    safetensors.numpy.save_file({"c": np.full(8, 7, np.float32)}, path)
    with pytest.raises(LoadError, match="Load it again"):
        tensor.numpy()
