"""The families of causal models that are one architecture under different names: which of their tensors does what."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Family:
    """The names of a family's tensors, without ``.weight`` and ``.bias``, and of what its configuration says.

    The names are those of transformers' modules: ``transformers/models/<family>/modeling_<family>.py``.

    Parameters
    ----------
    prefix
        Of all tensors but the head's, where the checkpoint has one.
    words, positions
        Tables of embeddings; ``positions`` empty where queries and keys are rotated instead (RoPE).
    layer
        The names below begin so, with the layer's number in place of ``{}``.
    attention_norm, query, key, value, query_norm, key_norm, out, norm, gate, up, down
        The parts of a layer, in the order of the computation; empty where there is none. Where ``key`` and ``value``
        are empty, ``query`` has all three.
    last_norm, head
        After the layers. Where the configuration ties them, the words are its matrix.
    root_mean_square
        Whether norms divide by the root mean square only; else they subtract the mean as well.
    outwards
        Whether matrices are (in, out), as GPT-2's are, and not (out, in).
    activation, epsilon
        Names in the configuration.
    usual
        What the graph takes for granted in the configuration.
    """

    prefix: str = "model."
    words: str = "embed_tokens"
    positions: str = ""
    layer: str = "layers.{}."
    attention_norm: str = "input_layernorm"
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    query_norm: str = ""
    key_norm: str = ""
    out: str = "self_attn.o_proj"
    norm: str = "post_attention_layernorm"
    gate: str = "mlp.gate_proj"
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    last_norm: str = "norm"
    head: str = "lm_head"
    root_mean_square: bool = True
    outwards: bool = False
    activation: str = "hidden_act"
    epsilon: str = "rms_norm_eps"
    usual: tuple[tuple[str, object], ...] = ()


_LLAMA = Family()

FAMILIES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": replace(_LLAMA, query_norm="self_attn.q_norm", key_norm="self_attn.k_norm"),
    "gpt2": Family(
        prefix="transformer.",
        words="wte",
        positions="wpe",
        layer="h.{}.",
        attention_norm="ln_1",
        query="attn.c_attn",
        key="",
        value="",
        out="attn.c_proj",
        norm="ln_2",
        gate="",
        up="mlp.c_fc",
        down="mlp.c_proj",
        last_norm="ln_f",
        root_mean_square=False,
        outwards=True,
        activation="activation_function",
        epsilon="layer_norm_epsilon",
        usual=(
            ("scale_attn_weights", True),
            ("scale_attn_by_inverse_layer_idx", False),
            ("reorder_and_upcast_attn", False),
            ("add_cross_attention", False),
        ),
    ),
}
"""By ``model_type``."""
