"""What a Hugging Face architecture takes and gives, as far as its configuration tells; no library is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.arrays import Dimension, TensorSpec

_TEXT = {
    "albert",
    "bert",
    "camembert",
    "convbert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "funnel",
    "mobilebert",
    "modernbert",
    "mpnet",
    "nomic_bert",
    "roberta",
    "xlm-roberta",
}
_DECODERS = {
    "bloom",
    "falcon",
    "gemma",
    "gemma2",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gptj",
    "llama",
    "mistral",
    "mixtral",
    "olmo",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
    "stablelm",
    "starcoder2",
}
_TOKEN_TYPES = {"albert", "bert", "convbert", "electra", "ernie", "funnel", "mobilebert"}
_POSITIONS_AFTER_PADDING = {"camembert", "mpnet", "roberta", "xlm-roberta"}
"""Their positions are counted from the padding's id on."""
_VISION = {"beit", "convnext", "convnextv2", "deit", "dinov2", "resnet", "swin", "swinv2", "vit"}
_ENCODER_DECODERS = {"bart", "m2m_100", "marian", "mbart", "mt5", "pegasus", "t5"}

Signature = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def signature(config: Mapping[str, Any], architecture: str, has_pooler: bool) -> Signature:
    """Return inputs and outputs; both empty where the architecture is not known.

    Parameters
    ----------
    config
        The content of config.json.
    architecture
        The class, ``"BertModel"``.
    has_pooler
        Whether the checkpoint has the weights of a pooler; a model would else fill one with random numbers.
    """
    kind = _kind(config)
    batch_sequence = ("batch", "sequence")
    if kind in _VISION:
        return _vision(config, architecture)
    if kind in _ENCODER_DECODERS:
        return _encoder_decoder(config, architecture)
    head = _head(config, architecture)
    if head is None and kind not in _TEXT | _DECODERS:
        return (), ()
    inputs = [
        TensorSpec("input_ids", "int64", batch_sequence),
        TensorSpec("attention_mask", "int64", batch_sequence, optional=True),
    ]
    if _size(config, "type_vocab_size", default=2 if kind in _TOKEN_TYPES else 0) > 1 and kind in _TOKEN_TYPES:
        inputs.append(TensorSpec("token_type_ids", "int64", batch_sequence, optional=True))
    if head is None:
        width = _width(config)
        head = [("last_hidden_state", ("batch", "sequence", width))]
        if has_pooler and architecture.endswith("Model") and kind in _TEXT:
            head.append(("pooler_output", ("batch", width)))
    return tuple(inputs), _floats(config, head)


def longest_text(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens the model's table of positions has; None where it has no such table or does not say."""
    if _kind(config) in _ENCODER_DECODERS - {"bart", "mbart", "pegasus"}:
        return None  # relative positions, or as many as needed
    longest = _known(config.get("max_position_embeddings")) or _known(config.get("n_positions"))
    if longest is not None and _kind(config) in _POSITIONS_AFTER_PADDING:
        longest -= 1 + _size(config, "pad_token_id", default=1)
    return longest or None


def _head(config: Mapping[str, Any], architecture: str) -> list[tuple[str, tuple[Dimension, ...]]] | None:
    labels, vocabulary = _labels(config), _known(config.get("vocab_size"))
    for suffix, outputs in {
        "ForSequenceClassification": [("logits", ("batch", labels))],
        "ForTokenClassification": [("logits", ("batch", "sequence", labels))],
        "ForQuestionAnswering": [("start_logits", ("batch", "sequence")), ("end_logits", ("batch", "sequence"))],
        "ForCausalLM": [("logits", ("batch", "sequence", vocabulary))],
        "LMHeadModel": [("logits", ("batch", "sequence", vocabulary))],
        "ForMaskedLM": [("logits", ("batch", "sequence", vocabulary))],
    }.items():
        if architecture.endswith(suffix):
            return outputs  # type: ignore[return-value]
    return None


def _vision(config: Mapping[str, Any], architecture: str) -> Signature:
    size = config.get("image_size")
    height, width = size if isinstance(size, list) and len(size) == 2 else (size, size)
    channels = _size(config, "num_channels", default=3)
    sides: tuple[Dimension, Dimension] = (_known(height) or "height", _known(width) or "width")
    shape: tuple[Dimension, ...] = ("batch", channels, *sides)
    inputs = (TensorSpec("pixel_values", _dtype(config), shape),)
    if architecture.endswith("ForImageClassification"):
        return inputs, _floats(config, [("logits", ("batch", _labels(config)))])
    if _kind(config) in ("vit", "deit", "beit", "dinov2"):
        return inputs, _floats(config, [("last_hidden_state", ("batch", "sequence", _width(config)))])
    return inputs, ()


def _encoder_decoder(config: Mapping[str, Any], architecture: str) -> Signature:
    inputs = (
        TensorSpec("input_ids", "int64", ("batch", "sequence")),
        TensorSpec("attention_mask", "int64", ("batch", "sequence"), optional=True),
        TensorSpec("decoder_input_ids", "int64", ("batch", "decoder_sequence")),
    )
    if architecture.endswith(("ForConditionalGeneration", "MTModel")):
        return inputs, _floats(config, [("logits", ("batch", "decoder_sequence", _known(config.get("vocab_size"))))])
    return inputs, _floats(config, [("last_hidden_state", ("batch", "decoder_sequence", _width(config)))])


def _floats(config: Mapping[str, Any], outputs: list[Any]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, _dtype(config), shape) for name, shape in outputs)


def _dtype(config: Mapping[str, Any]) -> str:
    dtype = config.get("dtype") or config.get("torch_dtype") or "float32"
    return dtype if dtype in ("float64", "float32", "float16", "bfloat16") else "float32"


def _kind(config: Mapping[str, Any]) -> str:
    kind = config.get("model_type")
    return kind if isinstance(kind, str) else ""


def _labels(config: Mapping[str, Any]) -> int:
    names = config.get("id2label")
    return (len(names) if isinstance(names, dict) else 0) or _size(config, "num_labels", default=2)


def _width(config: Mapping[str, Any]) -> int | None:
    return next(
        (size for key in ("hidden_size", "n_embd", "d_model", "dim") if (size := _known(config.get(key)))), None
    )


def _size(config: Mapping[str, Any], key: str, default: int) -> int:
    value = _known(config.get(key))
    return default if value is None else value


def _known(value: Any) -> int | None:
    """Return a size of the configuration, which may hold anything."""
    return value if type(value) is int and value >= 0 else None
