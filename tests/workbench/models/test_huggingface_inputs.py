"""What a Hugging Face model is given: texts, pairs, tensors, half precision, pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import transformers

import workbench as wb
from workbench.errors import InputError, LoadError
from workbench.text import format_shape

from ..alike import same  # noqa: TID252

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture(scope="module")
def vocabulary(bert: Path) -> int:
    return int(wb.load(bert).config["vocab_size"])  # type: ignore[attr-defined]


def checkpoint(folder: Path, name: str, kind: str, tokens_of: Path | None = None, **sizes: Any) -> Path:
    """Save an untrained model, with another's tokenizer if there is one."""
    torch.manual_seed(0)
    model = getattr(transformers, name)(transformers.AutoConfig.for_model(kind, **sizes))
    if tokens_of is not None:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            folder.mkdir(exist_ok=True)
            shutil.copy(tokens_of / file, folder)
    model.save_pretrained(folder)
    return folder


def test_pairs_are_told_apart_by_their_token_types(bert: Path) -> None:
    model = wb.load(bert)
    pair, texts = ("She measured the time", "twice"), ["tea", "a cup of tea"]
    encoded = model.feeds(pair)  # type: ignore[attr-defined]
    assert encoded["token_type_ids"].max() == 1
    assert same(model.run(pair)["last_hidden_state"], model.run([pair])["last_hidden_state"])
    assert model.run([pair, ("a", "b")])["last_hidden_state"].shape[0] == 2
    assert model.run(texts)["last_hidden_state"].shape[0] == 2
    without = {name: array for name, array in encoded.items() if name != "token_type_ids"}
    assert (model.run(without)["last_hidden_state"] != model.run(encoded)["last_hidden_state"]).any()


@pytest.mark.parametrize("texts", [[], [1], ["a", ("b", "c")], [("a", "b", "c")], [["a"]], [None], (), ("a", 1)])
def test_what_is_neither_texts_nor_pairs(texts: Any, bert: Path) -> None:
    with pytest.raises(InputError, match="neither all of them str nor all of them pairs"):
        wb.load(bert).run(texts)


def test_an_empty_text_is_two_marks_for_a_bert(bert: Path) -> None:
    assert wb.load(bert).run(["", "tea"])["last_hidden_state"].shape[:2] == (2, 3)
    assert wb.load(bert).run("")["last_hidden_state"].shape[:2] == (1, 2)


def test_tensors_are_taken_and_padding_does_not_matter(bert: Path) -> None:
    model = wb.load(bert)
    arrays = model.feeds(["tea", "a cup of tea"])  # type: ignore[attr-defined]
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    expected = model.run(arrays)["last_hidden_state"]
    assert same(model.run(tensors)["last_hidden_state"], expected)
    alone = model.run("tea")["last_hidden_state"]
    np.testing.assert_allclose(expected[:1, : alone.shape[1]], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_a_decoders_texts_are_padded_at_the_end_so_that_positions_stay(
    name: str, bert: Path, vocabulary: int, tmp_path: Path
) -> None:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4} if name.startswith("GPT2") else SMALL
    marks = {"bos_token_id": 2, "eos_token_id": 3, "vocab_size": vocabulary}
    checkpoint(tmp_path, name, "gpt2" if name.startswith("GPT2") else "llama", bert, **marks, **sizes)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.padding_side = "left"  # as decoders for conversation have it
    tokenizer.save_pretrained(tmp_path)
    model = wb.load(tmp_path)
    together = model.run(["tea", "A cup of tea and a cup of tea"])["logits"]
    alone = model.run("tea")["logits"]
    np.testing.assert_allclose(together[:1, : alone.shape[1]], alone, atol=1e-5)


def test_the_decoder_of_an_encoder_decoder_begins_with_its_start(bert: Path, vocabulary: int, tmp_path: Path) -> None:
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4, "vocab_size": vocabulary}
    checkpoint(tmp_path, "T5ForConditionalGeneration", "t5", bert, decoder_start_token_id=0, **sizes)
    model = wb.load(tmp_path)
    logits = model.run(["tea", "a cup of tea"])["logits"]
    assert logits.shape == (2, 1, vocabulary)
    encoded = model.feeds(["tea", "a cup of tea"])  # type: ignore[attr-defined]
    assert encoded["decoder_input_ids"].tolist() == [[0], [0]]
    with torch.no_grad():
        module = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path)
        expected = module(**{name: torch.from_numpy(array) for name, array in encoded.items()}).logits
    assert same(logits, expected.numpy())


def test_long_texts_are_refused_where_the_table_of_positions_ends(bert: Path, vocabulary: int, tmp_path: Path) -> None:
    sizes = {**SMALL, "vocab_size": vocabulary, "max_position_embeddings": 20, "pad_token_id": 1}
    model = wb.load(checkpoint(tmp_path, "RobertaModel", "roberta", bert, **sizes))
    assert model.run("a " * 16)["last_hidden_state"].shape[1] == 18  # a RoBERTa counts from the padding's id on
    with pytest.raises(InputError, match="19 tokens per text; the model takes at most 18"):
        model.run("a " * 17)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_on_a_cpu(dtype: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model("vit", **SMALL, image_size=32, patch_size=16)
    transformers.ViTForImageClassification(config).to(getattr(torch, dtype)).save_pretrained(tmp_path)
    model = wb.load(tmp_path)
    assert str(model.info.inputs[0]) == f"pixel_values: {dtype} [batch, 3, 32, 32]"
    image = np.ones((1, 3, 32, 32), getattr(ml_dtypes, dtype, dtype))
    logits = model.run({"pixel_values": image})["logits"]
    assert logits.dtype == image.dtype
    assert np.isfinite(logits.astype(np.float32)).all()
    tensor = torch.ones(1, 3, 32, 32, dtype=getattr(torch, dtype))
    again = model.run({"pixel_values": tensor})["logits"]
    assert again.dtype == logits.dtype
    np.testing.assert_allclose(again.astype(np.float32), logits.astype(np.float32), rtol=0.02, atol=0.02)
    with pytest.raises(InputError, match=f"astype.*{dtype}"):
        model.run({"pixel_values": np.ones((1, 3, 32, 32), np.float32)})
    with pytest.raises(InputError, match="Axis 2 has the size 31 and must have 32"):
        model.run({"pixel_values": image[:, :, :31]})
    with pytest.raises(InputError, match="takes no text; it takes pixel_values"):
        model.run("a picture of a cat")


def test_a_picture_of_any_size_where_the_architecture_takes_it(tmp_path: Path) -> None:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    model = wb.load(checkpoint(tmp_path, "ResNetForImageClassification", "resnet", **sizes))
    assert model.info.inputs[0].shape == ("batch", 3, "height", "width")
    assert model.run({"pixel_values": np.ones((2, 3, 40, 56), np.float32)})["logits"].shape == (2, 2)


def test_a_tokenizer_without_padding_takes_one_text_at_a_time(bert: Path, vocabulary: int, tmp_path: Path) -> None:
    checkpoint(tmp_path, "BertModel", "bert", bert, **SMALL, vocab_size=vocabulary)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    model = wb.load(tmp_path)
    assert model.run("tea")["last_hidden_state"].size
    with pytest.raises(InputError, match="no token for padding, so 2 texts"):
        model.run(["tea", "a cup of tea"])


def test_a_damaged_tokenizer(own: Path) -> None:
    (own / "tokenizer.json").write_text("{")
    with pytest.raises(LoadError, match="no tokenizer that transformers can load"):
        wb.load(own).run("tea")
    assert wb.load(own).run({"input_ids": [[1]]})["last_hidden_state"].size


CLIP = {"image_size": 32, "patch_size": 16}
SPEECH = {"conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2}
UNLISTED = {
    "FNetModel": ("fnet", SMALL, ["input_ids"],
                  ["last_hidden_state [batch, sequence, 32]", "pooler_output [batch, 32]"]),
    "CLIPVisionModel": ("clip_vision_model", {**SMALL, **CLIP}, ["pixel_values"],
                        ["last_hidden_state [batch, 5, 32]", "pooler_output [batch, 32]"]),
    "Wav2Vec2Model": ("wav2vec2", {**SMALL, **SPEECH, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2},
                      ["input_values"], ["last_hidden_state [batch, ?, 32]", "extract_features [batch, ?, 16]"]),
    "LongformerModel": ("longformer", {**SMALL, "attention_window": 4}, ["input_ids", "attention_mask"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", UNLISTED)
def test_an_architecture_that_is_not_listed_is_looked_at_before_its_first_run(name: str, tmp_path: Path) -> None:
    kind, sizes, inputs, outputs = UNLISTED[name]
    model = wb.load(checkpoint(tmp_path, name, kind, **sizes))
    assert not model.info.inputs
    assert "looked at before the first run" in model.info.metadata["inputs"]
    state = torch.get_rng_state()
    model.prepare()
    assert (torch.get_rng_state() == state).all()
    assert [spec.name for spec in model.info.inputs] == inputs
    assert [f"{spec.name} {format_shape(spec.shape)}" for spec in model.info.outputs] == outputs
    assert "inputs" not in model.info.metadata
    free = {"batch": 2, "sequence": 6, "samples": 700}
    shape = [free.get(size, size) for size in model.info.inputs[0].shape or ()]  # type: ignore[call-overload]
    results = model.run({inputs[0]: np.ones(shape, model.info.inputs[0].dtype)})
    assert results["last_hidden_state"].shape[0] == 2
    with pytest.raises(InputError, match="no input 'x'"):
        model.run({"x": np.ones(shape)})
