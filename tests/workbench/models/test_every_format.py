"""What is alike for models of all formats: what each can do, and what it says where it cannot."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

import workbench as wb
from workbench.errors import InputError, LoadError, RunError, WorkbenchError
from workbench.models.model import Model


def _written(write: Callable[[Any], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _weights() -> dict[str, Model]:
    array = np.ones((2, 3), np.float32)
    return {
        "safetensors": wb.load(save({"w": array})),
        "npy": wb.load(_written(lambda file: np.save(file, array))),
        "npz": wb.load(_written(lambda file: np.savez(file, w=array))),
        "torch_file": wb.load(_written(lambda file: torch.save({"w": torch.ones(2, 3)}, file)), allow_pickle=True),
    }


@pytest.mark.parametrize("name", ["safetensors", "npy", "npz", "torch_file"])
def test_what_weights_alone_cannot_do_is_one_error_with_the_next_step(name: str) -> None:
    model = _weights()[name]
    for ask in (
        lambda: model.run({}),
        lambda: model.profile({}),
        lambda: model.cost(batch=1),
        lambda: model.quantize("int8"),
        lambda: model.to_onnx("model.onnx"),
    ):
        with pytest.raises(RunError, match=r"(no graph|without a graph|no times|nothing of what).*(Load|Quantise)"):
            ask()
    (alone,) = model.run_batch([{}])
    assert isinstance(alone, RunError)
    assert repr(model.tensors).startswith("1 tensor, 24 B")


def test_a_module_is_sent_to_its_export_for_times_and_cost_and_onnx_to_its_proto() -> None:
    module = wb.load(torch.nn.Linear(2, 2))
    for ask in (lambda: module.profile({"input": [[1.0, 2.0]]}), lambda: module.cost(batch=1)):
        with pytest.raises(RunError, match=r"torch\.nn\.Module.*model\.to_onnx\(path\)"):
            ask()
    with pytest.raises(RunError, match=r"ONNX model already.*model\.proto"):
        wb.load("sample:mlp").to_onnx("model.onnx")


@pytest.mark.parametrize("outputs", [[], (), 3, "", "logits"])
def test_no_output_or_an_unknown_one_is_refused_alike(outputs: Any) -> None:
    models: dict[str, tuple[Model, dict[str, Any]]] = {
        "onnx": (wb.load("sample:mlp"), {"x": np.zeros((1, 16), np.float32)}),
        "torch": (wb.load(torch.nn.Linear(16, 4)), {"input": np.zeros((1, 16), np.float32)}),
        "huggingface": (wb.load("sample:tiny-bert"), {"input_ids": [[1, 2]]}),
    }
    for model, inputs in models.values():
        with pytest.raises(InputError, match="output"):
            model.run(inputs, outputs)
    with pytest.raises(InputError, match="output"):
        models["onnx"][0].run_batch([], outputs)


def test_numbers_and_devices_of_the_libraries_are_options_like_pythons() -> None:
    assert wb.load("sample:mlp", intra_threads=np.int64(2)).run({"x": np.zeros((1, 16), np.float32)})
    assert wb.load("sample:tiny-bert", device=torch.device("cpu")).info.inputs
    for wrong in (True, 0, 1.0, "2"):
        with pytest.raises(InputError, match="number from 1 on"):
            wb.load("sample:mlp", intra_threads=wrong)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://huggingface.co/org/name", "address.*organisation/name"),
        ("s3://bucket/model.onnx", "address.*path"),
        (torch.nn.Linear, "Linear is a class"),
        ({"w": torch.ones(2)}, "save them first"),
        (wb.load("sample:mlp"), "loaded already"),
        (_written(np.savez), "archive without a file"),
        (torch.nn.LazyLinear(3), "Call it once"),
    ],
    ids=["url", "s3", "class", "state", "model", "empty npz", "lazy"],
)
def test_what_is_nearly_a_source_is_told_the_way(source: Any, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        wb.load(source)


def test_what_a_module_keeps_beside_tensors_is_said() -> None:
    class Packed(torch.nn.Linear):
        def get_extra_state(self) -> Any:
            return ("scales", 3)

        def set_extra_state(self, state: Any) -> None: ...

    model = wb.load(Packed(2, 2))
    assert list(model.tensors) == ["weight", "bias"]
    assert model.info.metadata["no tensor: _extra_state"] == "tuple"
    assert model.run({"input": [[1.0, 2.0]]})["output"].shape == (1, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_told_from_weights_and_loads_as_a_module(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 2)
    torch.jit.save(torch.jit.script(module), tmp_path / "model.pt")
    with pytest.raises(LoadError, match=r"torch\.jit\.load"):
        wb.load(tmp_path / "model.pt")
    loaded = wb.load(torch.jit.load(tmp_path / "model.pt"))
    assert list(loaded.tensors) == ["weight", "bias"]
