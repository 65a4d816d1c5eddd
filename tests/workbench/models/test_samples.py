"""Models at hand without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.errors import InputError
from workbench.models import samples


def test_each_one_loads_and_says_what_it_is() -> None:
    available = samples.available()
    assert {"resnet50", "tiny-bert", "mlp"} <= set(available)
    for name, sample in available.items():
        model = wb.load(f"sample:{name}")
        assert sample.name == name
        assert model.info.inputs
        assert model.info.outputs
        assert model.tensors


def test_resnet50_has_the_weights_that_its_graph_fills() -> None:
    model = wb.load("sample:resnet50")
    assert 25_500_000 < model.info.parameters < 25_700_000
    assert str(model.info.inputs[0]) == "gpu_0/data_0: float32 [1, 3, 224, 224]"
    weight = model.tensors["gpu_0/conv1_w_0"]
    assert (weight.shape, weight.origin) == ((64, 3, 7, 7), "filled")
    assert np.unique(weight.numpy()).tolist() == [np.float32(0.02)]
    assert weight.slice2d().shape == (7, 7)


def test_the_mlp_computes_what_numpy_computes() -> None:
    model = wb.load("sample:mlp")
    x = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)
    w = {name: tensor.numpy() for name, tensor in model.tensors.items()}
    hidden = np.maximum(x @ w["first.weight"] + w["first.bias"], 0)
    logits = hidden @ w["second.weight"] + w["second.bias"]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.run({"x": x})["probabilities"], expected, rtol=1e-5)


def test_tiny_bert_is_the_same_each_time_and_leaves_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = samples.tiny_bert(tmp_path / "first")
    assert torch.equal(torch.rand(3), expected)
    code = "import sys; from workbench.models.samples import tiny_bert; tiny_bert(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "second")], check=True, capture_output=True)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (first / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert sum(path.stat().st_size for path in first.iterdir()) < 200_000
    assert json.loads((first / "config.json").read_text())["hidden_size"] == 32
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_wrong_name_is_corrected() -> None:
    with pytest.raises(InputError, match=r"'resnet5'.*Did you mean 'resnet50'"):
        wb.load("sample:resnet5")
