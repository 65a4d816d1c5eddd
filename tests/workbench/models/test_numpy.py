"""Files of NumPy: what is read is what NumPy reads, lazily; damage and pickles are errors."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as npst

import workbench as wb
from workbench.errors import InputError, LoadError, RunError, WorkbenchError


def saved(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archived(save: Any = np.savez, /, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


@given(
    npst.arrays(
        npst.integer_dtypes(endianness="?")
        | npst.floating_dtypes(endianness="?")
        | npst.complex_number_dtypes()
        | npst.boolean_dtypes()
        | npst.datetime64_dtypes()
        | npst.unicode_string_dtypes(max_len=4),
        npst.array_shapes(min_dims=0, min_side=0, max_side=5),
    )
)
def test_any_array_comes_back(array: np.ndarray) -> None:
    for content, name in (
        (saved(array), "array"),
        (archived(a=array), "a"),
        (archived(np.savez_compressed, a=array), "a"),
    ):
        tensor = wb.load(content).tensors[name]
        assert tensor.shape == array.shape
        assert tensor.nbytes == array.nbytes
        assert tensor.numpy().tolist() == array.tolist() or array.dtype.kind in "fcM"
        np.testing.assert_array_equal(tensor.numpy(), array)
        assert tensor.numpy().dtype.isnative


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_windows_statistics_and_names(save: Any, order: str, tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).normal(size=(90, 130)).astype(np.float32), order=order)
    save(tmp_path / "weights.npz", **{"layer.weight": array, "layer.bias": array[0]})
    np.save(tmp_path / "one.npy", array)
    model = wb.load(tmp_path / "weights.npz")
    assert (model.info.format, list(model.tensors)) == ("numpy", ["layer.weight", "layer.bias"])
    assert (model.tensors["layer.weight"].slice2d(40, 100) == array[40:104, 100:]).all()
    one = wb.load(tmp_path / "one.npy").tensors["one"]
    assert (one.slice2d(40, 100) == array[40:104, 100:]).all()
    assert one.stats().mean == pytest.approx(array.mean(), rel=1e-5)
    assert model.info.dtypes == {"float32": array.nbytes + array[0].nbytes}
    with pytest.raises(RunError, match="no graph"):
        model.run({})


def test_a_part_of_a_stored_array_is_read_and_no_more(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=np.zeros(5), large=np.arange(4_000_000, dtype=np.int64))
    tensor = wb.load(tmp_path / "a.npz").tensors["large"]
    assert tensor.slice2d(column=3_999_998).tolist() == [[3_999_998, 3_999_999]]
    assert tensor.read_flat is not None
    assert not tensor.numpy().flags.owndata


class Bomb:
    ran: ClassVar[list[int]] = []

    def __reduce__(self) -> Any:
        return Bomb.ran.append, (1,)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    objects = np.array([Bomb(), 1], dtype=object)
    with pytest.raises(LoadError, match="any code"):
        wb.load(saved(objects, allow_pickle=True))
    tensors = wb.load(archived(numbers=np.ones(3), objects=objects)).tensors
    assert tensors["objects"].dtype == "object"
    assert tensors["numbers"].stats().mean == 1
    for look in (tensors["objects"].numpy, tensors["objects"].slice2d):
        with pytest.raises(LoadError, match="any code"):
            look()
    with pytest.raises(InputError, match="no statistics"):
        tensors["objects"].stats()
    (tmp_path / "evil.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(LoadError):
        wb.load(tmp_path / "evil.npy")
    assert not Bomb.ran


def with_header(text: str, version: int = 1, data: bytes = bytes(64)) -> bytes:
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (17,)}", "needs 68 bytes and 64 are there"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "no array has"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "no array has"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904)}", "no array has"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}", "no array has"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", "no array has"),
        ("{'descr': '<f5', 'fortran_order': False, 'shape': (1,)}", "is not one"),
        ("{'descr': __import__('os').system('false'), 'fortran_order': False, 'shape': (1,)}", "is not one"),
        ("(" * 20_000, "is not one"),
        ("[]", "is not one"),
    ],
)
def test_a_wrong_header_is_named(text: str, rule: str) -> None:
    for version in (1, 2, 3):
        with pytest.raises(LoadError, match=rule):
            wb.load(with_header(text, version))


def look_at_everything(content: bytes) -> None:
    try:
        for tensor in wb.load(content).tensors.values():
            tensor.slice2d()
            tensor.stats()
    except WorkbenchError:
        pass


CONTENTS = {
    "npy": saved(np.arange(12.0).reshape(3, 4)),
    "npz": archived(a=np.arange(12.0).reshape(3, 4), b=np.arange(5)),
    "compressed": archived(np.savez_compressed, a=np.arange(12.0).reshape(3, 4), b=np.arange(5)),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_damage_is_an_error_of_ours(kind: str) -> None:
    content, source = CONTENTS[kind], random.Random(0)
    for length in range(0, len(content), 3):
        look_at_everything(content[:length])
    for _ in range(600):
        damaged = bytearray(content)
        for _ in range(source.randrange(1, 3)):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        look_at_everything(bytes(damaged))


def test_a_file_that_claims_to_unpack_to_a_terabyte_takes_no_memory() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"))
    with pytest.raises(LoadError, match="needs 4000000000000 bytes and has 64"):
        wb.load(file.getvalue())
