"""Small encoders of every family, with weights at random, and what torch computes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import workbench as wb
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.pipelines.computing import Opening
from workbench.pipelines.engines import Batch, Engine, Head, open_engine

ALBERT = {"embedding_size": 16, "hidden_act": "gelu_new"}
KINDS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": {"type_vocab_size": 1},
    "camembert": {"type_vocab_size": 1},
    "electra": {"embedding_size": 16},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "mpnet": {},
    "albert": ALBERT,
}
CLASSES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "electra": "Electra",
    "distilbert": "DistilBert",
    "mpnet": "MPNet",
    "albert": "Albert",
    "deberta-v2": "DebertaV2",
    "modernbert": "ModernBert",
    "gpt2": "GPT2",
    "fnet": "FNet",
    "convbert": "ConvBert",
    "xlnet": "XLNet",
}
ENDS = {
    "hidden": "Model",
    "labels": "ForSequenceClassification",
    "token-labels": "ForTokenClassification",
    "spans": "ForQuestionAnswering",
}
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 120,
    "max_position_embeddings": 200,
}


def save(kind: str, folder: Path, head: str = "hidden", *, dtype: str = "float32", **changes: Any) -> Path:
    """Save an encoder, of which no weight is a 0 or a 1 that a mistake would leave unseen."""
    sizes = {name: size for name, size in SIZES.items() if kind != "distilbert" or name.startswith(("vocab", "max"))}
    labels = 2 if head == "spans" else 3
    settings = {**sizes, **KINDS.get(kind, {}), "num_labels": labels, **changes}
    settings = {name: size for name, size in settings.items() if size is not None}
    config = transformers.AutoConfig.for_model(kind, **settings)
    name = CLASSES[kind] + ENDS[head] + ("Simple" if (kind, head) == ("xlnet", "spans") else "")
    with torch.random.fork_rng():
        torch.manual_seed(7)
        module = getattr(transformers, name)(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    module.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def loaded(folder: Path) -> HuggingFaceModel:
    """Return a checkpoint."""
    model = wb.load(folder)
    assert isinstance(model, HuggingFaceModel)
    return model


def opened(model: Path | HuggingFaceModel, head: Head = "hidden", **how: Any) -> Engine:
    """Return what computes a checkpoint, with the options of a pipeline."""
    return open_engine(loaded(model) if isinstance(model, Path) else model, head, Opening(**how))


def batch(lengths: tuple[int, ...] = (9, 17, 4), *, pad: int = 0, types: bool = False, seed: int = 3) -> Batch:
    """Return random tokens with padding."""
    random = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.where(mask, random.integers(5, 120, shape), pad)
    return Batch(ids, mask, np.where(np.arange(shape[1]) > 5, mask, 0) if types else None)


def by_torch(folder: Path, of: Batch, head: str = "hidden") -> np.ndarray[Any, Any]:
    """Return what transformers computes, in float32."""
    classes: dict[str, Callable[..., Any]] = {
        "hidden": transformers.AutoModel,
        "labels": transformers.AutoModelForSequenceClassification,
        "token-labels": transformers.AutoModelForTokenClassification,
        "spans": transformers.AutoModelForQuestionAnswering,
    }
    module = classes[head].from_pretrained(folder, dtype=torch.float32).eval()  # type: ignore[attr-defined]
    feeds = {"input_ids": torch.from_numpy(of.ids), "attention_mask": torch.from_numpy(of.mask)}
    if of.types is not None:
        feeds["token_type_ids"] = torch.from_numpy(of.types)
    with torch.no_grad():
        result = module(**feeds)
    if head == "hidden":
        return np.asarray(result.last_hidden_state)
    if head == "spans":
        return np.stack([result.start_logits.numpy(), result.end_logits.numpy()], -1)
    return np.asarray(result.logits)


def apart(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], of: Batch) -> float:
    """Return the largest difference at real tokens, as a share of the largest magnitude."""
    real = of.mask != 0 if expected.ndim == 3 else slice(None)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    return float(np.abs(found[real] - expected[real]).max() / np.abs(expected[real]).max())


def cosine(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], of: Batch) -> float:
    """Return the least cosine between what two gave for one text."""
    least = 1.0
    for row, mask in enumerate(of.mask):
        a, b = found[row][mask != 0].ravel(), expected[row][mask != 0].ravel()
        least = min(least, float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    return least
