"""What sentence-transformers' own files say of how a model makes embeddings; that library is not needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

import fused_kernels as fk
from workbench.errors import LoadError

Pooling = Literal["mean", "cls", "last-token", "none"]
"""What becomes of the tokens of a text: their mean, the first or the last one of them, or all."""
Array = np.ndarray[Any, Any]

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last-token"}
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""As versions before 5.4 wrote it."""
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "torch.nn.modules.linear.Identity": np.asarray,
    "torch.nn.modules.activation.Tanh": np.tanh,
    "torch.nn.modules.activation.ReLU": fk.relu,
    "torch.nn.modules.activation.Sigmoid": fk.sigmoid,
}


@dataclass(frozen=True)
class Dense:
    """A layer after the pooling: ``activation(x @ weight + bias)``.

    Parameters
    ----------
    weight
        Shape (width before, width after), float32.
    bias
        Shape (width after,); None for none.
    activation
        Applied to the sum.
    """

    weight: Array
    bias: Array | None
    activation: Callable[[Array], Array]

    def __call__(self, x: Array) -> Array:
        """Return the layer's result for rows, float32."""
        return self.activation(fk.linear(x, self.weight, self.bias))


@dataclass(frozen=True)
class Recipe:
    """How a model makes embeddings.

    Parameters
    ----------
    pooling
        What becomes of the tokens of a text.
    normalize
        Whether an embedding has length 1.
    longest
        Most tokens of a text; None if it is not said.
    lowercase
        Whether texts are taken in small letters.
    dense
        Layers between pooling and normalising.
    prompts
        What stands before a text, by name.
    prompt_name
        Which of them does where none is asked for; None for none.
    source
        Where this comes from.
    """

    pooling: Pooling = "mean"
    normalize: bool = False
    longest: int | None = None
    lowercase: bool = False
    dense: tuple[Dense, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    prompt_name: str | None = None
    source: str = "no configuration of sentence-transformers"


def read_recipe(folder: Path, given: str, *, pooling: Pooling | None = None) -> Recipe:
    """Return the recipe in a checkpoint's folder; the mean of the tokens, not normalised, if it has none.

    Parameters
    ----------
    folder
        Of the checkpoint, with modules.json, or without.
    given
        The source, as the user named it.
    pooling
        In place of that of the recipe, whose layers after it are then left out.

    Raises
    ------
    workbench.errors.LoadError
        If it has a step that cannot be done here, or a file of it is missing.
    """
    modules = _read(folder, "modules.json", given)
    if modules is None:
        return Recipe(pooling=pooling or "mean")
    if not isinstance(modules, list) or not all(isinstance(one, dict) for one in modules):
        raise LoadError(f"{given}/modules.json is no list of modules. Download it again.")
    kinds = [str(one.get("type", "")).rpartition(".")[2] for one in modules]
    places = [str(one.get("path", "")) for one in modules]
    sentence = _read(folder, f"{places[0]}/sentence_bert_config.json".lstrip("/"), given) or {} if places else {}
    prompts = _read(folder, "config_sentence_transformers.json", given) or {}
    normalize, dense = False, []
    chosen: Pooling = pooling or "mean"
    if kinds[:1] != ["Transformer"]:
        raise _cannot(given, f"begins with a {kinds[0] if kinds else 'list of no modules'}")
    for kind, place in zip(kinds[1:], places[1:], strict=True):
        if Path(place).is_absolute() or ".." in Path(place).parts:
            raise LoadError(f"{given}/modules.json names the folder {place!r}, which is not in its own; it is refused.")
        if kind == "Normalize":
            normalize = True
        elif pooling is not None:
            continue
        elif normalize:
            raise _cannot(given, f"has a {kind} after normalising")
        elif kind == "Pooling":
            chosen = _pooling(_read(folder, f"{place}/config.json", given) or {}, given)
        elif kind == "Dense":
            dense.append(_dense(folder, place, given))
        elif kind != "Dropout":  # which does nothing but in training
            raise _cannot(given, f"has a {kind}")
    longest = sentence.get("max_seq_length")
    named = prompts.get("prompts")
    return Recipe(
        pooling=chosen,
        normalize=normalize,
        longest=longest if isinstance(longest, int) and longest > 0 else None,
        lowercase=sentence.get("do_lower_case") is True,
        dense=tuple(dense),
        prompts={str(name): str(text) for name, text in named.items()} if isinstance(named, dict) else {},
        prompt_name=prompts.get("default_prompt_name"),
        source="modules.json",
    )


def _pooling(config: Mapping[str, Any], given: str) -> Pooling:
    modes = config.get("pooling_mode") or [mode for flag, mode in _FLAGS.items() if config.get(flag)] or "mean"
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) > 1:
        raise _cannot(given, f"joins {len(modes)} poolings ({', '.join(map(str, modes))})")
    if modes[0] not in _POOLINGS:
        raise _cannot(given, f"pools by {modes[0]!r}")
    return _POOLINGS[modes[0]]


def _dense(folder: Path, place: str, given: str) -> Dense:
    from workbench.models.formats.safetensors.file import SafetensorsFile
    from workbench.models.source import Source

    config = _read(folder, f"{place}/config.json", given) or {}
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        raise _cannot(given, f"has a Dense layer with {activation!r}")
    path = folder / place / "model.safetensors"
    if not path.is_file():
        raise LoadError(
            f"{given} lacks {place}/model.safetensors, the weights of its Dense layer. Save the model once as "
            "safetensors, or download that file too."
        )
    if config.get("use_residual"):
        raise _cannot(given, "has a Dense layer with a residual")
    tensors = {tensor.name: tensor for tensor in SafetensorsFile(Source(f"{given}/{place}", place, path=path)).tensors}
    if "linear.weight" not in tensors:
        raise LoadError(
            f"{given}/{place}/model.safetensors has no linear.weight, but {', '.join(tensors) or 'nothing'}."
        )
    weight = np.ascontiguousarray(tensors["linear.weight"].numpy().T, np.float32)
    bias = tensors["linear.bias"].numpy().astype(np.float32) if "linear.bias" in tensors else None
    return Dense(weight, bias, _ACTIVATIONS[activation])


def _cannot(given: str, what: str) -> LoadError:
    return LoadError(
        f"{given} {what}, by its modules.json, which is not done here. Open it with pooling='mean' (or 'cls', "
        "'last-token', 'none') for embeddings without that, or use sentence-transformers."
    )


def _read(folder: Path, name: str, given: str) -> Any:
    """Return the content of a file; None if there is none."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LoadError(f"{given}/{name} cannot be read: {error}. Download it again.") from error
