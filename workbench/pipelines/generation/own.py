"""A decoder on ONNX Runtime, by a graph of our own that was found to compute what torch computes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import RunError
from workbench.models.export.difference import difference, format_cosine
from workbench.models.export.step import Report, Step
from workbench.models.torch_arrays import import_or_say
from workbench.pipelines.engines.agreement import Agreement, fingerprint, near_enough, processor, remembered
from workbench.pipelines.graphs import UnfitError
from workbench.text import format_bytes

from .causal import Causal, read_causal
from .causal.families import FAMILIES
from .causal.graph import CausalGraph
from .causal.int8 import Int8CausalGraph
from .onnx_decoder import OnnxDecoder
from .options import GenerationOptions
from .torch_decoder import TorchDecoder

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .decoder import Decoder

_LEAST_INT8 = 0.98
"""Of the logits of int8."""
_SHARE = 0.8
"""Of the memory of the machine, that opening a model may take."""
_STEPS = 4
"""So many tokens are tried after each prompt."""


def own_decoder(model: HuggingFaceModel, quantization: str | None, report: Report) -> OnnxDecoder:
    """Return the decoder.

    Parameters
    ----------
    model
        A checkpoint of one of the families.
    quantization
        ``"int8"`` or None.
    report
        Called as each step begins.

    Raises
    ------
    workbench.pipelines.graphs.UnfitError
        If there is no graph for it, or if it computes something else than torch.
    """
    kind = model.config.get("model_type")
    if kind not in FAMILIES:  # before transformers is loaded
        raise UnfitError(f"there is none for {kind!r}, but for {', '.join(FAMILIES)}")
    report(Step("writing the graph", 0.0))
    module = skeleton(model)
    if module.generation_config.guidance_scale not in (None, 1):
        raise UnfitError("the guidance_scale of its generation_config.json asks the model twice for each token")
    causal = read_causal(module.config, model.tensors)
    _check_memory(model, quantization)
    return (
        _in_float32(model, causal, module, report) if quantization is None else _in_int8(model, causal, module, report)
    )


def _in_float32(model: HuggingFaceModel, causal: Causal, module: Any, report: Report) -> OnnxDecoder:
    """Return the decoder, once it is known to compute what torch computes."""
    graph = CausalGraph(causal).written()
    decoder = OnnxDecoder(graph, causal, module, model.given)

    def measured() -> Agreement:
        report(Step("checking the graph against torch", 0.3))
        return agreement(decoder, TorchDecoder(model.build().float().cpu(), model.given), causal)

    found, decoder.compared_now = remembered(fingerprint(model, graph, "causal"), measured)
    how = near_enough(found, of="logit")
    decoder.why = f"ONNX Runtime with a graph of our own for {causal.family} in float32: {how}"
    return decoder


def _in_int8(model: HuggingFaceModel, causal: Causal, module: Any, report: Report) -> OnnxDecoder:
    """Return the decoder, and say how near its logits are to those of torch."""
    report(Step("quantising the weights", 0.1))
    graph = Int8CausalGraph(causal).written()
    decoder = OnnxDecoder(graph, causal, module, model.given, "int8")

    def measured() -> Agreement:
        report(Step("measuring the error", 0.6))
        return agreement(decoder, TorchDecoder(model.build().float().cpu(), model.given), causal)

    found, decoder.compared_now = remembered(fingerprint(model, graph, "causal", processor()), measured)
    if not found.cosine >= _LEAST_INT8:
        raise UnfitError(f"in int8 its logits have a cosine of {format_cosine(found.cosine)} only")
    decoder.why = (
        f"ONNX Runtime with a graph of our own for {causal.family} in int8: cosine to torch "
        f"{format_cosine(found.cosine)} at least, of the logits of random tokens"
    )
    return decoder


def _check_memory(model: HuggingFaceModel, quantization: str | None) -> None:
    """Refuse weights that would not fit: those of a narrow dtype become float32 here."""
    if not hasattr(os, "sysconf"):
        return
    elements, memory = model.info.parameters, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    mapped = set(model.info.dtypes) == {"float32"}
    # the weights, as ONNX Runtime keeps them and as they are given to it; for a while torch has them too, in float32
    needed = elements * (4 + (2 if quantization else 4 if mapped else 8))
    if needed > memory * _SHARE:
        raise UnfitError(f"to open it takes about {format_bytes(needed)} of memory, of {format_bytes(memory)} in all")


def skeleton(model: HuggingFaceModel) -> Any:
    """Return the module of a checkpoint without its weights, which take neither time nor memory."""
    torch, transformers = import_or_say("torch"), import_or_say("transformers")
    folder = model._source.path
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            module = transformers.AutoModelForCausalLM.from_config(config).eval()
    except Exception as error:
        raise UnfitError(f"transformers does not take its configuration: {error}") from error
    module.register_parameter("place", torch.nn.Parameter(torch.empty(0)))  # its first one, which says where it is
    with suppress(OSError):  # where it has none, all there is to say stands in config.json
        module.generation_config = transformers.GenerationConfig.from_pretrained(folder, local_files_only=True)
    return module


def agreement(decoder: Decoder, reference: Decoder, causal: Causal) -> Agreement:
    """Continue some prompts of random tokens with both, and compare the logits of each step."""
    import torch

    random = np.random.default_rng(0)
    longest = reference.longest or 512
    cosines, shares = [], []
    for lengths in ((24, 17, 9), (1,), (200,)):
        sizes = [min(length, longest - _STEPS) for length in lengths]
        prompts = [random.integers(0, causal.words.shape[0], size).tolist() for size in sizes]
        with torch.inference_mode():
            both = [one.begin(prompts, GenerationOptions(do_sample=False), _STEPS) for one in (reference, decoder)]
            for _ in range(_STEPS):
                expected, found = (one.logits().numpy() for one in both)
                apart = [difference("", *rows) for rows in zip(expected, found, strict=True)]
                cosines += [one.cosine for one in apart]
                shares += [one.relative for one in apart]
                for one in both:
                    one.append(expected.argmax(-1).tolist())
    if not np.isfinite(cosines).all():
        raise RunError("The logits are no numbers.")
    return Agreement(float(min(cosines)), float(max(shares)))
