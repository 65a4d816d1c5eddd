"""Hugging Face models: described from config.json and the headers of the weights, run by transformers on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError
from workbench.models.cache import CacheConfig, ModelCache, OpenModel
from workbench.models.formats import Format, Option
from workbench.models.inputs import InputRules
from workbench.models.model import ModelInfo, TensorTable
from workbench.models.source import Source
from workbench.models.torch_arrays import check_device
from workbench.models.torch_model import TorchModel, arrays_of, check_not_empty

from .building import architecture_of, build
from .folder import is_pickled, read_config, read_tensors
from .hub import fetched
from .probing import probed
from .signature import longest_text, signature
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from workbench.models.export.examples import Limits


class HuggingFaceModel(TorchModel):
    """A checkpoint in a folder; torch and transformers are loaded on the first run, or by :meth:`prepare`.

    Parameters
    ----------
    source
        The folder.
    options
        Those of :data:`FORMAT`.
    held
        Keeps the folder in its cache; the model has it until it is closed or collected.
    """

    options_of_forward = {"return_dict": True}  # noqa: RUF012  nothing writes to it

    def __init__(self, source: Source, options: Mapping[str, Any], held: OpenModel | None = None) -> None:
        super().__init__()
        self._held = held
        if options["device"] != "cpu":
            check_device(options["device"])
        self.given, self.device = source.given, options["device"]
        self.config = config = read_config(source)
        self._pickled = is_pickled(source)
        self.tensors = TensorTable(read_tensors(source, options["allow_pickle"]))
        architecture = architecture_of(config)
        has_pooler = any(name.endswith("pooler.dense.weight") for name in self.tensors)
        inputs, outputs = signature(config, architecture, has_pooler)
        version = config.get("transformers_version")
        self.info = ModelInfo(
            format="huggingface",
            name=f"{source.label}: {architecture}" if architecture else source.label,
            inputs=inputs,
            outputs=outputs,
            opset={},
            ir_version=None,
            producer=f"transformers {version}" if version else "",
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=_metadata(config, architecture, options, known=bool(inputs), pickled=self._pickled),
        )
        self._rules = InputRules(inputs, symbols=True)
        self._source, self._options = source, dict(options)

    def build(self) -> Any:
        """Make transformers' class with the weights; what it takes and gives is known from then on."""
        assert self._source.path is not None
        module = build(
            self._source.path,
            self.given,
            self.config,
            device=self.device,
            trust_remote_code=self._options["trust_remote_code"],
            pickled=self._pickled,
        )
        if not self.info.inputs:
            inputs, outputs = probed(module)
            self._rules = InputRules(inputs, symbols=True)
            metadata = {name: text for name, text in self.info.metadata.items() if name != "inputs" or not inputs}
            self.info = replace(self.info, inputs=inputs, outputs=outputs, metadata=metadata)
        return module

    def close(self) -> None:
        """Let the cache that it was loaded with (``cache=``) remove its files from now on, as its collection does.

        What is in memory by then goes on to work, such as a module that was built; what is not may be gone.
        """
        if self._held is not None:
            self._held.close()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """From text to token ids."""
        assert self._source.path is not None
        return Tokenizer(self._source.path, self.given, self._options["trust_remote_code"])

    def run(self, inputs: Any, outputs: list[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once; see :meth:`workbench.models.model.Model.run`.

        Parameters
        ----------
        inputs
            Arrays or torch tensors by name; or a text, a list of texts, or a list of pairs of texts, which go through
            the checkpoint's tokenizer. A text that is too long is an error, not cut off. The decoder of an
            encoder-decoder is given its start token then, and so predicts the first one.
        outputs
            Names to return; all of ``info.outputs`` if None.
        """
        return super().run(inputs, outputs)

    def feeds(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the module is given, checked: arrays, or the tokens of texts."""
        if not self.info.inputs:
            self.prepare()
        inputs = self._encoded(inputs) if isinstance(inputs, (str, list, tuple)) else arrays_of(inputs)
        if self.info.inputs:
            feeds = self._rules.check(inputs)
        else:
            feeds = {name: np.asarray(value) for name, value in inputs.items()}
        check_not_empty(feeds)
        self._check_ids(feeds)
        return feeds

    def _encoded(self, texts: Any) -> dict[str, np.ndarray[Any, Any]]:
        known = {spec.name for spec in self.info.inputs}
        if known and "input_ids" not in known:
            raise InputError(
                f"{self.info.name} takes no text; it takes {'; '.join(map(str, self.info.inputs))}. Give a dict of "
                "arrays."
            )
        encoded = {name: array for name, array in self.tokenizer(texts).items() if not known or name in known}
        start = self.config.get("decoder_start_token_id")
        if "decoder_input_ids" in known and isinstance(start, int):
            encoded["decoder_input_ids"] = np.full((len(encoded["input_ids"]), 1), start, np.int64)
        return encoded

    @property
    def limits(self) -> Limits:
        """What inputs must keep to that are made up for it."""
        from workbench.models.export.examples import Limits

        special = (self.config.get(f"{name}_token_id") for name in ("pad", "bos", "eos", "decoder_start", "cls", "sep"))
        vocabulary = self.config.get("vocab_size")
        return Limits(
            vocabulary if isinstance(vocabulary, int) else 2,
            frozenset(token for token in special if isinstance(token, int)),
            longest_text(self.config),
        )

    @contextmanager
    def exporting(self) -> Iterator[Any]:
        """Give the module with attention as plain products, and without a cache; leave it as it was.

        The fused attention becomes more nodes in ONNX, which are slower (by a tenth for a BERT), and does not export
        for some architectures, such as T5.
        """
        module = self.module
        config = module.config
        attention, cache = config._attn_implementation, getattr(config, "use_cache", None)
        fused = attention == "sdpa" and module._supports_sdpa
        try:
            if fused:
                module.set_attn_implementation("eager")
            if cache:
                config.use_cache = False
            yield module
        finally:
            if fused:
                module.set_attn_implementation(attention)
            if cache:
                config.use_cache = cache

    def _check_ids(self, feeds: Mapping[str, Any]) -> None:
        """Refuse token ids that the embedding does not have, on which torch only says 'index out of range'."""
        longest = longest_text(self.config)
        for name, ids in feeds.items():
            if not name.endswith("input_ids"):
                continue
            vocabulary = self.config.get("vocab_size")
            if isinstance(vocabulary, int) and not (ids.min() >= 0 and int(ids.max()) < vocabulary):
                raise InputError(
                    f"Input {name!r} has token ids from {ids.min()} to {ids.max()}; the model's vocabulary goes "
                    f"from 0 to {vocabulary - 1}. Use this model's own tokenizer: model.run('some text')."
                )
            if longest is not None and ids.ndim == 2 and ids.shape[1] > longest:
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


def _metadata(
    config: Mapping[str, Any], architecture: str, options: Mapping[str, Any], *, known: bool, pickled: bool
) -> dict[str, str]:
    metadata = {
        "architecture": architecture or "not named; AutoModel decides",
        **{key: str(config[key]) for key in _SHOWN if isinstance(config.get(key), (str, int, float))},
    }
    if not known:
        metadata["inputs"] = "not known from the configuration: those of forward(), looked at before the first run"
    if options["trust_remote_code"]:
        metadata["trust_remote_code"] = "Python files that come with the model may run, since it was asked for"
    if pickled:
        metadata["weights"] = "a pickle, of which torch reads tensors only (weights_only=True), since it was asked for"
    return metadata


def _recognises(source: Source) -> bool:
    if source.hub_id is not None:
        return True
    return source.path is not None and (source.path / "config.json").is_file()


def _open(source: Source, options: Mapping[str, Any]) -> HuggingFaceModel:
    if source.hub_id is None:
        if given := [name for name in _OF_THE_HUB if options[name] is not None]:
            raise InputError(
                f"{source.given} is a folder here; {', '.join(_OF_THE_HUB)} are for models that are fetched from the "
                f"hub. Leave {' and '.join(given)} out."
            )
        return HuggingFaceModel(source, options)
    source, held = fetched(source, options)
    try:
        return HuggingFaceModel(source, options, held)
    except BaseException:  # its traceback may be kept for long, and the model in it
        if held is not None:
            held.close()
        raise


_OF_THE_HUB = ("revision", "cache_dir", "cache")


FORMAT = Format(
    name="huggingface",
    title="a Hugging Face model",
    options=(
        Option("revision", str, None, "branch, tag or commit on the hub; the main branch if left out"),
        Option("cache_dir", str, None, "where fetched models are kept; the hub library's own cache if left out"),
        Option("cache", CacheConfig, None, "a folder with a budget, for fetched models", make=ModelCache.of),
        Option("device", str, "cpu", "where torch computes: cpu, cuda, cuda:1, mps"),
        Option("trust_remote_code", bool, False, "let Python files that come with the model run"),
        Option("allow_pickle", bool, False, "read pytorch_model.bin where there is no safetensors; tensors only"),
    ),
    recognises=_recognises,
    open=_open,
)
