"""What writes a text: every architecture on torch, and graphs of our own that compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from workbench.errors import InputError, RunError
from workbench.models import samples
from workbench.pipelines.pipeline import pipeline

from . import generator

SENTENCES = generator.SENTENCES
STARTS = generator.STARTS
pytestmark = pytest.mark.usefixtures("one_thread")


OWN = ["llama", "mistral", "qwen2", "qwen3", "gpt2"]
OTHERS = ["gpt_neo", "gptj", "gpt_neox", "opt", "bloom", "falcon", "gemma2", "phi3", "olmo2", "stablelm", "mamba"]
OTHERS += ["mixtral", "mpt", "rwkv"]
HEEDLESS = ["rwkv"]
"""Those take a mask and do not heed it."""


@pytest.mark.parametrize("kind", OWN + OTHERS)
def test_every_architecture_writes_together_what_it_writes_alone(kind: str, tmp_path: Path) -> None:
    words, model = random_model(kind, tmp_path)
    with pipeline("text-generation", tmp_path, max_new_tokens=8) as pipe:
        assert pipe.engine.name == ("onnxruntime" if kind in OWN else "torch")
        alone = [pipe(prompt) for prompt in SENTENCES]
        assert pipe(SENTENCES) == alone
        assert pipe.engine.takes_padding == (kind not in HEEDLESS)
    for prompt, found in zip(SENTENCES, alone, strict=True):
        ids = words(prompt, return_tensors="pt")
        whole = model.generate(**ids, max_new_tokens=8, do_sample=False)[0]
        assert prompt + found.text == words.decode(whole, skip_special_tokens=True)


def random_model(kind: str, folder: Path, **more: Any) -> tuple[Any, Any]:
    """Save a model with large random weights, so that no two logits are nearly the same; return it and its words."""
    words = generator.tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(generator.config(kind, len(words), **more)).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return words, model


GRAPHS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    ("llama", {"num_key_value_heads": 1, "head_dim": 32, "hidden_act": "gelu_pytorch_tanh"}),
    ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}}),
    (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
                "rope_theta": 10000.0,
            }
        },
    ),
    (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 32,
                "rope_theta": 10000.0,
            }
        },
    ),
    ("qwen2", {"tie_word_embeddings": True, "rms_norm_eps": 1e-2}),
    ("gpt2", {"n_inner": 96, "activation_function": "relu", "layer_norm_epsilon": 1e-2}),
]


@pytest.mark.parametrize(("kind", "more"), GRAPHS, ids=str)
def test_the_graph_is_the_model(kind: str, more: dict[str, Any], tmp_path: Path) -> None:
    words, model = random_model(kind, tmp_path, **more)
    with pipeline("text-generation", tmp_path, engine="onnxruntime", max_new_tokens=12) as pipe:
        for prompt, found in zip(SENTENCES, pipe(SENTENCES), strict=True):
            whole = model.generate(**words(prompt, return_tensors="pt"), max_new_tokens=12, do_sample=False)[0]
            assert prompt + found.text == words.decode(whole, skip_special_tokens=True)


def test_weights_of_half_precision_are_computed_in_float32(tmp_path: Path) -> None:
    words, model = random_model("llama", tmp_path)
    model.bfloat16().save_pretrained(tmp_path)
    with pipeline("text-generation", tmp_path, max_new_tokens=12) as pipe:
        assert pipe.engine.name == "onnxruntime"
        found = pipe(SENTENCES[0])
    whole = model.float().generate(**words(SENTENCES[0], return_tensors="pt"), max_new_tokens=12, do_sample=False)[0]
    assert SENTENCES[0] + found.text == words.decode(whole, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("kind", "more", "says"),
    [
        ("opt", {}, "there is none for 'opt'"),
        ("mistral", {"sliding_window": 16}, "do not see all tokens"),
        ("llama", {"head_dim": 24}, "24 features"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}, "rotated"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ],
)
def test_what_has_no_graph_runs_on_torch(kind: str, more: dict[str, Any], says: str, tmp_path: Path) -> None:
    random_model(kind, tmp_path, **more)
    with pytest.raises(RunError, match=says):
        pipeline("text-generation", tmp_path, engine="onnxruntime")
    with pipeline("text-generation", tmp_path) as pipe:
        assert pipe.engine.name == "torch"
        assert says in pipe.engine.why
        assert pipe("One").tokens


def test_int8_continues_what_was_learned(causal: Path) -> None:
    with pipeline("text-generation", causal, quantization="int8") as pipe, pipeline("text-generation", causal) as whole:
        assert (pipe.engine.name, pipe.engine.quantization) == ("onnxruntime", "int8")
        assert pipe.engine.nbytes < whole.engine.nbytes / 3
        assert [start + pipe(start).text for start in STARTS] == SENTENCES
        assert pipe(SENTENCES) == [pipe(sentence) for sentence in SENTENCES]


def test_what_cannot_be_asked_of_the_engine_is_said(causal: Path, tmp_path: Path) -> None:
    for options in (
        {"engine": "torch", "quantization": "int8"},
        {"quantization": "dynamic"},
        {"quantization": "int4"},
        {"engine": "onnx"},
        {"engine": "onnxruntime", "device": "meta"},
    ):
        with pytest.raises(InputError):
            pipeline("text-generation", causal, **options)
    with pytest.raises(InputError, match="feature-extraction"):
        pipeline("text-generation", samples.tiny_bert(tmp_path / "bert"))


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_logits_that_are_no_numbers_are_an_error(tmp_path: Path, engine: str) -> None:
    _, model = random_model("llama", tmp_path)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    with pipeline("text-generation", tmp_path, engine=engine) as pipe, pytest.raises(RunError, match="logits"):
        pipe("Once")


def test_a_configuration_that_asks_the_model_twice_is_for_torch(tmp_path: Path) -> None:
    words, model = random_model("llama", tmp_path)
    model.generation_config.guidance_scale = 1.7
    model.generation_config.save_pretrained(tmp_path)
    with pipeline("text-generation", tmp_path, max_new_tokens=8) as pipe:
        assert pipe.engine.name == "torch"
        assert "guidance_scale" in pipe.engine.why
        found = pipe(SENTENCES[0])
    whole = model.generate(**words(SENTENCES[0], return_tensors="pt"), max_new_tokens=8, do_sample=False)[0]
    assert SENTENCES[0] + found.text == words.decode(whole, skip_special_tokens=True)
