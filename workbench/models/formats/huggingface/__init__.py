"""Hugging Face models: described from config.json and the headers of the weights, run by transformers on first use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from workbench.errors import InputError, LoadError
from workbench.models.formats import Format, Option
from workbench.models.inputs import InputRules, check_outputs
from workbench.models.model import Model, ModelInfo, TensorTable
from workbench.models.source import Source

from .folder import read_config, read_tensors
from .hub import fetch
from .signature import signature
from .torch_model import Tokenizer, TorchModel, check_device


class HuggingFaceModel(Model):
    """A checkpoint in a folder; torch and transformers are loaded on the first run, or by :meth:`prepare`.

    Parameters
    ----------
    source
        The folder.
    options
        Those of :data:`FORMAT`.
    """

    def __init__(self, source: Source, options: Mapping[str, Any]) -> None:
        if options["device"] != "cpu":
            check_device(options["device"])
        self.config = config = read_config(source)
        self.tensors = TensorTable(read_tensors(source))
        architectures = config.get("architectures")
        self._architecture = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
        has_pooler = any(name.endswith("pooler.dense.weight") for name in self.tensors)
        inputs, outputs = signature(config, self._architecture, has_pooler)
        metadata = {
            "architecture": self._architecture or "not named; AutoModel decides",
            **{key: str(config[key]) for key in _SHOWN if isinstance(config.get(key), (str, int, float))},
        }
        if not inputs:
            metadata["inputs"] = "not known from the configuration: those of the architecture's forward()"
        version = config.get("transformers_version")
        self.info = ModelInfo(
            format="huggingface",
            name=f"{source.label}: {self._architecture}" if self._architecture else source.label,
            inputs=inputs,
            outputs=outputs,
            opset={},
            ir_version=None,
            producer=f"transformers {version}" if version else "",
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=metadata,
        )
        self._rules = InputRules(inputs, symbols=True)
        self._source, self._options = source, dict(options)
        self._module: TorchModel | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Build the module now, so that the first run does not have to."""
        with self._lock:
            if self._module is None:
                assert self._source.path is not None
                self._module = TorchModel(
                    self._source.path,
                    self._source.given,
                    self._architecture,
                    self._options["device"],
                    self._options["trust_remote_code"],
                )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """From text to token ids."""
        assert self._source.path is not None
        return Tokenizer(self._source.path, self._source.given)

    def run(
        self, inputs: Mapping[str, Any] | str | list[str], outputs: list[str] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once; see :meth:`workbench.models.model.Model.run`.

        A text, or a list of texts, goes through the checkpoint's tokenizer first; a text that is too long for the model
        is an error, not cut off.
        """
        if isinstance(inputs, (str, list)):
            encoded = self.tokenizer(inputs)
            known = {spec.name for spec in self.info.inputs}
            inputs = {name: array for name, array in encoded.items() if not known or name in known}
        feeds = self._rules.check(inputs) if self.info.inputs else {name: np.asarray(x) for name, x in inputs.items()}
        for name, array in feeds.items():
            if 0 in array.shape:
                raise InputError(
                    f"Input {name!r} is empty, of shape {list(array.shape)}; give a text and a token at least."
                )
        self._check_ids(feeds)
        names = [spec.name for spec in self.info.outputs]
        if outputs is not None and names:
            outputs = check_outputs(outputs, names)
        if self._module is None:
            self.prepare()
        assert self._module is not None
        results = self._module.run(feeds)
        asked = check_outputs(outputs, results) if outputs is not None else [name for name in names if name in results]
        return {name: results[name] for name in asked or results}

    def _check_ids(self, feeds: Mapping[str, Any]) -> None:
        """Refuse token ids that the embedding does not have, on which torch only says 'index out of range'."""
        for name, ids in feeds.items():
            if not name.endswith("input_ids") or not ids.size:
                continue
            vocabulary, longest = self.config.get("vocab_size"), self.config.get("max_position_embeddings")
            if isinstance(vocabulary, int) and not (ids.min() >= 0 and int(ids.max()) < vocabulary):
                raise InputError(
                    f"Input {name!r} has token ids from {ids.min()} to {ids.max()}; the model's vocabulary goes "
                    f"from 0 to {vocabulary - 1}. Use this model's own tokenizer: model.run('some text')."
                )
            if isinstance(longest, int) and ids.ndim == 2 and ids.shape[1] > longest:
                raise InputError(
                    f"Input {name!r} has {ids.shape[1]} tokens per text; the model takes at most {longest}. Cut the "
                    "text."
                )


_SHOWN = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "vocab_size",
    "max_position_embeddings",
)


def _recognises(source: Source) -> bool:
    if source.hub_id is not None:
        return True
    return source.path is not None and (source.path / "config.json").is_file()


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    if source.hub_id is not None:
        folder = fetch(
            source.hub_id,
            options["revision"],
            options["cache_dir"],
            options["trust_remote_code"],
            hint=source.hint,
        )
        source = replace(source, path=folder, hub_id=None)
        if not (folder / "config.json").is_file():
            raise LoadError(
                f"{source.given} on the hub has no config.json, so it is no model of transformers; it has "
                f"{source.listing()}. Download the file that you want and load that."
            )
    elif options["revision"] is not None or options["cache_dir"] is not None:
        raise InputError(
            f"{source.given} is a folder here; revision and cache_dir are for models that are fetched from the hub. "
            "Leave them out."
        )
    return HuggingFaceModel(source, options)


FORMAT = Format(
    name="huggingface",
    title="a Hugging Face model",
    options=(
        Option("revision", str, None, "branch, tag or commit on the hub; the main branch if left out"),
        Option("cache_dir", str, None, "where fetched models are kept; the hub library's own cache if left out"),
        Option("device", str, "cpu", "where torch computes: cpu, cuda, cuda:1, mps"),
        Option("trust_remote_code", bool, False, "let Python files that come with the model run"),
    ),
    recognises=_recognises,
    open=_open,
)
