"""The families of encoders that are one architecture under different names: which of their tensors does what."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Family:
    """The names of a family's tensors, without ``.weight`` and ``.bias``, and of what its configuration says.

    The names are those of transformers' modules: ``transformers/models/<family>/modeling_<family>.py``.

    Parameters
    ----------
    prefix
        Of all tensors but the head's, where the checkpoint has a head.
    words, positions, types
        Tables of embeddings; ``types`` empty where there is none.
    embedding_norm
        Of the sum of these.
    projection
        From the width of the embeddings to that of the layers; looked for only where it may be.
    layer
        The names below begin so, with the layer's number in place of ``{}``.
    query, key, value, out, attention_norm, up, down, norm
        The parts of a layer, in the order of the computation.
    by_type
        Whether tokens have types of their own; else all have the first one, whatever the table holds.
    relative
        Table of biases for the distance of two tokens; empty where there is none.
    first_position
        Of the first token: a number, or the key in the configuration of the padding's id, which it follows.
    labels
        From the hidden state of the first token to the scores of labels: names (``{prefix}`` where it has the prefix),
        each with the activation after it.
    layers, heads, activation, epsilon
        Keys of the configuration; ``epsilon`` may be the number itself.
    """

    prefix: str
    words: str = "embeddings.word_embeddings"
    positions: str = "embeddings.position_embeddings"
    types: str = "embeddings.token_type_embeddings"
    embedding_norm: str = "embeddings.LayerNorm"
    projection: str = ""
    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    out: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    norm: str = "output.LayerNorm"
    by_type: bool = True
    relative: str = ""
    first_position: int | str = 0
    labels: tuple[tuple[str, str], ...] = (("{prefix}pooler.dense", "tanh"), ("classifier", ""))
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    activation: str = "hidden_act"
    epsilon: str | float = "layer_norm_eps"


_BERT = Family("bert")
_TWO_STEPS = (("classifier.dense", "tanh"), ("classifier.out_proj", ""))
_ROBERTA = Family("roberta", by_type=False, first_position="pad_token_id", labels=_TWO_STEPS)

FAMILIES = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": replace(
        _BERT,
        prefix="electra",
        projection="embeddings_project",
        labels=(("classifier.dense", "gelu"), ("classifier.out_proj", "")),
    ),
    "distilbert": Family(
        "distilbert",
        types="",
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out="attention.out_lin",
        attention_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        norm="output_layer_norm",
        labels=(("pre_classifier", "relu"), ("classifier", "")),
        layers="n_layers",
        heads="n_heads",
        activation="activation",
        epsilon=1e-12,
    ),
    "mpnet": Family(
        "mpnet",
        types="",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        out="attention.attn.o",
        attention_norm="attention.LayerNorm",
        relative="encoder.relative_attention_bias",
        first_position="pad_token_id",
        labels=_TWO_STEPS,
    ),
    "albert": Family(
        "albert",
        projection="encoder.embedding_hidden_mapping_in",
        layer="encoder.albert_layer_groups.0.albert_layers.0.",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        out="attention.dense",
        attention_norm="attention.LayerNorm",
        up="ffn",
        down="ffn_output",
        norm="full_layer_layer_norm",
        labels=(("{prefix}pooler", "tanh"), ("classifier", "")),
    ),
}
"""By ``model_type``. Albert's layers share one set of weights."""
