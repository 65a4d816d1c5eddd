"""Graphs of our own against transformers itself: every family, every head, and what they do not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from workbench.errors import RunError
from workbench.pipelines.encoder import FAMILIES
from workbench.pipelines.encoder.graph import buckets
from workbench.pipelines.engines import Engine

from .encoders import ENDS, KINDS, apart, batch, by_torch, cosine, opened, save


def own(folder: Path, head: str = "hidden", quantization: str | None = None) -> Engine:
    """Return the engine, which must be a graph of our own."""
    engine = opened(folder, head, quantization=quantization)  # type: ignore[arg-type]
    assert engine.name == "onnxruntime"
    assert "graph of our own for" in engine.why
    return engine


def test_all_families_are_tested() -> None:
    assert set(KINDS) == set(FAMILIES)


CASES = [(kind, head) for kind in KINDS for head in ("hidden", "labels")]
CASES += [(kind, head) for kind in ("bert", "distilbert") for head in ("token-labels", "spans")]
OTHERS = [(kind, head) for kind in KINDS for head in ENDS if (kind, head) not in CASES]


@pytest.mark.parametrize(("kind", "head"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS)])
def test_a_graph_computes_what_transformers_computes(kind: str, head: str, tmp_path: Path) -> None:
    save(kind, tmp_path, head)
    engine = own(tmp_path, head)
    assert engine.takes_types == (kind in ("bert", "electra", "albert"))
    tokens = batch(pad=engine.pad, types=engine.takes_types)
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens, head), tokens) < 2e-5


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "tanh"])
def test_other_activations(activation: str, tmp_path: Path) -> None:
    save("bert", tmp_path, hidden_act=activation)
    tokens = batch(pad=1)
    assert apart(own(tmp_path).forward(tokens), by_torch(tmp_path, tokens), tokens) < 2e-5
    assert cosine(own(tmp_path, quantization="int8").forward(tokens), by_torch(tmp_path, tokens), tokens) > 0.999


def test_the_largest_that_the_positions_allow(tmp_path: Path) -> None:
    for kind, longest in (("bert", 64), ("roberta", 62), ("mpnet", 62)):
        folder = save(kind, tmp_path / kind, max_position_embeddings=64)
        tokens = batch((longest, 40), pad=1)
        assert apart(own(folder).forward(tokens), by_torch(folder, tokens), tokens) < 2e-5
        with pytest.raises(RunError, match="with 1 texts of up to 65 tokens"):
            own(folder).forward(batch((65,), pad=1))


def test_types_that_roberta_never_uses(tmp_path: Path) -> None:
    save("roberta", tmp_path, type_vocab_size=3)
    engine = own(tmp_path)
    assert not engine.takes_types
    tokens = batch(pad=1)
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens), tokens) < 2e-5


def test_padding_within_a_text_has_no_position(tmp_path: Path) -> None:
    save("roberta", tmp_path)
    tokens = batch((12, 7), pad=1)
    tokens.ids[0, 4:6] = 1  # as a text that says <pad> has it
    assert apart(own(tmp_path).forward(tokens), by_torch(tmp_path, tokens), tokens) < 2e-5


def test_the_padding_changes_nothing(tmp_path: Path) -> None:
    save("bert", tmp_path)
    engine = own(tmp_path)
    together = batch((9, 30))
    alone = type(together)(together.ids[:1, :9], together.mask[:1, :9])
    np.testing.assert_allclose(engine.forward(together)[0, :9], engine.forward(alone)[0], atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_dtypes_are_computed_in_float32(dtype: str, tmp_path: Path) -> None:
    save("bert", tmp_path, dtype=dtype)
    tokens = batch()
    expected = by_torch(tmp_path, tokens)
    assert apart(own(tmp_path).forward(tokens), expected, tokens) < 2e-5
    plain = opened(tmp_path, engine="torch")
    assert "in float32 on cpu" in plain.why
    assert apart(plain.forward(tokens), expected, tokens) < 2e-5


def rewritten(folder: Path, change: Any) -> None:
    """Change the tensors of a checkpoint."""
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file(change(tensors), path, metadata={"format": "pt"})


def test_norms_by_their_old_names(tmp_path: Path) -> None:
    save("bert", tmp_path)
    tokens = batch(types=True)
    expected = by_torch(tmp_path, tokens)

    def old(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    rewritten(tmp_path, lambda tensors: {old(name): value for name, value in tensors.items()})
    assert apart(own(tmp_path).forward(tokens), expected, tokens) < 2e-5


def test_a_checkpoint_without_the_biases_of_its_queries_is_refused_as_by_torch(tmp_path: Path) -> None:
    save("bert", tmp_path)
    name = "encoder.layer.1.attention.self.query.bias"
    rewritten(tmp_path, lambda tensors: {key: value for key, value in tensors.items() if key != name})
    with pytest.raises(RunError, match="no weights for 1 tensors of BertModel"):
        opened(tmp_path)


def test_several_files_are_mapped_together(tmp_path: Path) -> None:
    import transformers

    save("bert", tmp_path / "one", vocab_size=2000)
    module = transformers.AutoModel.from_pretrained(tmp_path / "one")
    module.save_pretrained(tmp_path / "many", max_shard_size="40KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    tokens = batch(types=True)
    assert apart(own(tmp_path / "many").forward(tokens), by_torch(tmp_path / "one", tokens), tokens) < 2e-5


def test_files_that_are_links_as_in_the_hubs_cache(tmp_path: Path) -> None:
    save("bert", tmp_path / "blobs", vocab_size=2000)
    (tmp_path / "snapshot").mkdir()
    for file in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / file.name).symlink_to(file)
    tokens = batch(types=True)
    assert apart(own(tmp_path / "snapshot").forward(tokens), by_torch(tmp_path / "blobs", tokens), tokens) < 2e-5


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("bert", {"is_decoder": True}, "is_decoder=True"),
        ("bert", {"hidden_act": "mish"}, "'mish'"),
        ("albert", {"num_hidden_groups": 2}, "num_hidden_groups=2"),
        ("modernbert", {"pad_token_id": 0, "global_attn_every_n_layers": 1}, "none for 'modernbert'"),
    ],
)
def test_what_it_does_not_do_goes_to_torch(kind: str, changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    save(kind, tmp_path, **changes)
    engine = opened(tmp_path)
    assert engine.name == "torch"
    assert why in engine.why
    tokens = batch()
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens), tokens) < 2e-5


def test_a_configuration_that_misleads_the_graph_is_found_out(tmp_path: Path) -> None:
    """Torch takes the padding of MPNet's positions as 1, whatever the configuration says."""
    save("mpnet", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "pad_token_id": 3}))
    engine = opened(tmp_path)
    assert engine.name == "torch"
    assert "differs from torch" in engine.why
    tokens = batch(pad=1)
    assert apart(engine.forward(tokens), by_torch(tmp_path, tokens), tokens) < 2e-5


@pytest.mark.parametrize("quantization", ["int8", "dynamic"])
@pytest.mark.parametrize("kind", ["bert", "mpnet", "albert"])
def test_int8_is_near_and_small(kind: str, quantization: str, tmp_path: Path) -> None:
    save(kind, tmp_path, vocab_size=2000)
    engine, plain = own(tmp_path, quantization=quantization), own(tmp_path)
    tokens = batch(pad=engine.pad)
    assert cosine(engine.forward(tokens), by_torch(tmp_path, tokens), tokens) > 0.999
    assert (engine.forward(tokens) != plain.forward(tokens)).any()
    assert engine.quantization == quantization
    assert engine.nbytes < 0.5 * plain.nbytes


def test_rows_of_unequal_size_stay_exact_in_int8(tmp_path: Path) -> None:
    """A text whose activations are a hundred times those of the others leaves these their digits."""
    save("bert", tmp_path)

    def loud(tensors: dict[str, Any]) -> dict[str, Any]:
        tensors["encoder.layer.0.intermediate.dense.weight"][:] *= 3
        tensors["encoder.layer.0.attention.output.LayerNorm.weight"][:3] *= 40
        return tensors

    rewritten(tmp_path, loud)
    tokens = batch()
    expected = by_torch(tmp_path, tokens)
    exact = cosine(own(tmp_path, quantization="int8").forward(tokens), expected, tokens)
    plain = cosine(own(tmp_path, quantization="dynamic").forward(tokens), expected, tokens)
    assert 1 - exact < 0.7 * (1 - plain)


@given(count=st.sampled_from([16, 32, 64]), distance=st.integers(-600, 600))
@settings(max_examples=200, deadline=None)
def test_buckets_of_distances_are_those_of_transformers(count: int, distance: int) -> None:
    expected = MPNetEncoder.relative_position_bucket(torch.tensor([distance]), num_buckets=count)
    assert buckets(np.array([distance]), count)[0] == int(expected[0])


def test_int8_that_would_lose_too_much_goes_another_way(tmp_path: Path) -> None:
    """One feature that is tiny, with weights that are huge, takes the scale of whole columns from all others."""
    save("bert", tmp_path, intermediate_size=256)

    def uneven(tensors: dict[str, Any]) -> dict[str, Any]:
        for layer in ("encoder.layer.0", "encoder.layer.1"):
            tensors[f"{layer}.attention.output.LayerNorm.weight"][0] = 1e-4
            tensors[f"{layer}.attention.output.LayerNorm.bias"][0] = 0
            tensors[f"{layer}.intermediate.dense.weight"][:, 0] *= 1e4
            tensors[f"{layer}.output.dense.weight"] *= 20
        return tensors

    rewritten(tmp_path, uneven)
    engine = opened(tmp_path, quantization="int8")
    assert "export of torch" in engine.why
    assert "in int8 its hidden states have a cosine of" in engine.why
    assert engine.quantization == "int8"
