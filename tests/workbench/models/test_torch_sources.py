"""What torch made: modules that are shared and not changed; files of torch.save, which are read and never run."""

from __future__ import annotations

import io
import json
import os
import pickle
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import workbench as wb
from workbench.errors import InputError, LoadError, RunError

from ..alike import same  # noqa: TID252


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight
        self.drop = nn.Dropout(0.5)

    def forward(self, ids: torch.Tensor, *, scale: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        hidden = self.drop(self.embedding(ids))
        return {"logits": self.head(hidden) * (1 if scale is None else scale), "hidden": hidden}


def test_a_module_says_what_forward_takes_and_counts_shared_weights_once() -> None:
    model = wb.load(Tied())
    assert [str(spec) for spec in model.info.inputs] == ["ids: any [...]", "scale: any [...] (optional)"]
    assert (model.info.format, model.info.name, model.info.parameters) == ("torch", "Tied", 40)
    assert list(model.tensors) == ["embedding.weight"]
    assert model.info.metadata["shared: head.weight"] == "embedding.weight"


def test_a_modules_tensors_are_its_own_memory_and_cannot_be_written() -> None:
    module = Tied()
    values = wb.load(module).tensors["embedding.weight"].numpy()
    with torch.no_grad():
        module.embedding.weight[0, 0] = 7
    assert values[0, 0] == 7
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1
    with torch.no_grad():
        module.embedding.weight[0, 0] = 8  # the user's own may still be


def test_a_module_runs_in_evaluation_with_arrays_lists_and_tensors_and_stays_in_training() -> None:
    module = Tied().train()
    model = wb.load(module)
    results = [model.run({"ids": ids}) for ids in ([[1, 2]], np.array([[1, 2]]), torch.tensor([[1, 2]]))]
    assert all(same(one["logits"], results[0]["logits"]) for one in results)
    assert list(results[0]) == ["logits", "hidden"]
    assert model.run({"ids": [[1]], "scale": 2.0}, ["logits"]).keys() == {"logits"}
    assert module.training
    assert module.drop.training
    with pytest.raises(InputError, match=r"no input 'id'.*'ids'"):
        model.run({"id": [[1]]})
    with pytest.raises(InputError, match="'ids' is missing"):
        model.run({})
    with pytest.raises(RunError, match=r"^the given Tied stopped: index out of range"):
        model.run({"ids": [[10]]})
    with pytest.raises(InputError, match="no array of numbers"):
        model.run({"ids": ["text"]})


def test_runs_at_the_same_time_are_all_in_evaluation() -> None:
    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(float(x.max()))
            return x + (100 if self.training else 0)

    module = Slow().train()
    model = wb.load(module)
    with ThreadPoolExecutor(4) as pool:
        waits = [np.float32([wait]) for wait in (0.01, 0.05, 0.02, 0.03)]
        results = list(pool.map(lambda wait: model.run({"x": wait})["output"], waits))
    assert results == waits
    assert module.training


def test_a_module_of_transformers_says_as_much_as_its_checkpoint(bert: Path) -> None:
    module = transformers.BertModel.from_pretrained(bert)
    model = wb.load(module)
    assert model.info.inputs == wb.load(bert).info.inputs
    assert model.info.outputs == wb.load(bert).info.outputs
    ids = np.array([[2, 5, 9, 3]])
    expected = wb.load(bert).run({"input_ids": ids})["last_hidden_state"]
    assert same(model.run({"input_ids": ids})["last_hidden_state"], expected)


@pytest.mark.parametrize(
    ("wrap", "classes"),
    [
        (lambda module: torch.compile(module, backend="eager"), "OptimizedModule"),
        (nn.DataParallel, "DataParallel"),
        (lambda module: nn.DataParallel(torch.compile(module, backend="eager")), "DataParallel, OptimizedModule"),
    ],
)
def test_what_torch_wraps_a_module_in_hides_nothing_of_it(wrap: Any, classes: str) -> None:
    module = Tied()
    wrapped, plain = wb.load(wrap(module)), wb.load(module)
    assert (wrapped.info.inputs, wrapped.info.name, list(wrapped.tensors)) == (
        (*plain.info.inputs,),
        "Tied",
        ["embedding.weight"],
    )
    assert wrapped.info.metadata["wrapped in"] == classes
    assert same(wrapped.run({"ids": [[1, 2]]})["logits"], plain.run({"ids": [[1, 2]]})["logits"])
    assert module.training


def test_what_a_wrapper_of_somebody_else_does_is_not_left_out() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)

        def forward(self, *args: torch.Tensor, **others: torch.Tensor) -> torch.Tensor:
            return 2 * self.module(*args, **others)

    x = np.ones((3, 2), np.float32)
    model = wb.load(Twice())
    assert list(model.tensors) == ["module.weight", "module.bias"]
    weight, bias = (model.tensors[name].numpy() for name in model.tensors)
    np.testing.assert_allclose(model.run({"input": x})["output"], 2 * (x @ weight.T + bias), rtol=1e-5)


def test_a_module_without_values_can_be_looked_at() -> None:
    with torch.device("meta"):
        module = nn.Linear(1 << 15, 1 << 15)
    model = wb.load(module)
    assert model.info.nbytes == 4 * ((1 << 30) + (1 << 15))
    with pytest.raises(LoadError, match="meta device"):
        model.tensors["weight"].numpy()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "bool", "complex64", "float8_e4m3fn"])
def test_each_dtype_of_a_module_and_of_an_input_is_kept(dtype: str) -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", torch.tensor([[0, 1, 1]]).to(getattr(torch, dtype)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

    model = wb.load(Same())
    tensor = model.tensors["kept"]
    assert (tensor.dtype, tensor.numpy().dtype.name) == (dtype, dtype)
    assert tensor.numpy().real.astype(float).tolist() == [[0, 1, 1]]
    for x in (tensor.numpy(), torch.tensor([[0, 1, 1]]).to(getattr(torch, dtype))):
        result = model.run({"x": x})["output"]
        assert (result.dtype.name, result.real.astype(float).tolist()) == (dtype, [[0, 1, 1]])


# Files of torch.save


class Evil:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.bfloat16), "step": 3}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_of_torch_is_read_only_when_asked(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "anything.xyz"
    path.write_bytes(saved({"state_dict": STATE}, _use_new_zipfile_serialization=zipped))
    with pytest.raises(LoadError, match=r"Python pickle.*allow_pickle=True"):
        wb.load(path)
    for source in (path, path.read_bytes()):
        model = wb.load(source, allow_pickle=True)
        assert {name: (tensor.dtype, tensor.shape) for name, tensor in model.tensors.items()} == {
            "state_dict.a.weight": ("float32", (2, 3)),
            "state_dict.a.bias": ("bfloat16", (2,)),
        }
        assert (model.tensors["state_dict.a.weight"].numpy() == np.arange(6.0).reshape(2, 3)).all()
        assert model.tensors["state_dict.a.bias"].numpy().dtype == ml_dtypes.bfloat16
        assert model.info.metadata == {"state_dict.step": "3"}
    with pytest.raises(RunError, match="tensors and no graph"):
        model.run({})


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickle_that_would_run_code_is_not_run(zipped: bool, tmp_path: Path) -> None:
    trap, path = tmp_path / "it ran", tmp_path / "m.bin"
    path.write_bytes(saved({"w": torch.ones(2), "x": Evil(trap)}, _use_new_zipfile_serialization=zipped))
    with pytest.raises(LoadError, match=r"asks for \w+\.mkdir when it is read, which could run any code"):
        wb.load(path, allow_pickle=True)
    path.write_bytes(pickle.dumps(Evil(trap)))
    for options in ({}, {"allow_pickle": True}):
        with pytest.raises(LoadError, match="pickle, which could run code"):
            wb.load(path, **options)
    assert not trap.exists()


@pytest.mark.parametrize("content", [torch.ones(2), [torch.ones(2)], {"a": 1}, {}])
def test_a_file_without_tensors_by_name(content: object) -> None:
    with pytest.raises(LoadError, match=r"has no tensors by name, but a \w+"):
        wb.load(saved(content), allow_pickle=True)


def test_tensors_that_are_not_plain() -> None:
    with pytest.raises(LoadError, match="'s' of sparse_coo"):
        wb.load(saved({"s": torch.eye(2).to_sparse()}), allow_pickle=True)


WHOLE = saved(STATE)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_give_one_clear_error(data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        content = WHOLE[: data.draw(st.integers(0, len(WHOLE) - 1))]
    else:
        damaged = bytearray(WHOLE)
        damaged[data.draw(st.integers(0, len(WHOLE) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        content = bytes(damaged)
    try:
        model = wb.load(content, allow_pickle=True)
    except LoadError:
        return
    except InputError as error:  # it is no file of torch any more, and another format has no such option
        assert "allow_pickle" in str(error)
        return
    for tensor in model.tensors.values():
        assert tensor.numpy().shape == tensor.shape


def test_a_zip_archive_that_only_looks_like_torchs(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({"w": 1}))
    with pytest.raises(LoadError):
        wb.load(path, allow_pickle=True)


# Checkpoints of Hugging Face in pickles


def test_a_pickled_checkpoint_runs_when_asked(own: Path) -> None:
    expected = wb.load(own).run("A cup of tea.")["last_hidden_state"]
    state = transformers.BertModel.from_pretrained(own).state_dict()
    (own / "model.safetensors").unlink()
    torch.save(dict(state), own / "pytorch_model.bin")
    with pytest.raises(LoadError, match="allow_pickle=True"):
        wb.load(own)
    model = wb.load(own, allow_pickle=True)
    assert "weights_only=True" in model.info.metadata["weights"]
    assert same(model.run("A cup of tea.")["last_hidden_state"], expected)


def test_a_pickled_checkpoint_in_shards_and_one_that_would_run_code(own: Path) -> None:
    state = dict(transformers.BertModel.from_pretrained(own).state_dict())
    names = list(state)
    (own / "model.safetensors").unlink()
    shards = {"pytorch_model-00001-of-00002.bin": names[:9], "pytorch_model-00002-of-00002.bin": names[9:]}
    for file, part in shards.items():
        torch.save({name: state[name] for name in part}, own / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in shards.items() for name in part}}
    (own / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    model = wb.load(own, allow_pickle=True)
    assert set(model.tensors) == set(names)
    assert model.run("A cup of tea.")["last_hidden_state"].shape[2] == 32
    trap = own / "it ran"
    torch.save({**{name: state[name] for name in names[:9]}, "x": Evil(trap)}, own / next(iter(shards)))
    with pytest.raises(LoadError, match="could run any code"):
        wb.load(own, allow_pickle=True)
    assert not trap.exists()


def test_safetensors_go_first_where_both_are_there(own: Path) -> None:
    (own / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(own / "it ran")))
    assert wb.load(own, allow_pickle=True).run("tea")["last_hidden_state"].size
    assert not (own / "it ran").exists()
