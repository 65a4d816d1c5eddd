"""An encoder on ONNX Runtime, by a graph of our own that was found to compute what torch computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from workbench.errors import RunError
from workbench.models.export.difference import format_cosine
from workbench.models.export.step import Report, Step
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.pipelines.encoder import Encoder, read_encoder
from workbench.pipelines.encoder.graph import EncoderGraph
from workbench.pipelines.encoder.int8 import Int8Graph
from workbench.pipelines.graphs import Graph, UnfitError

from .agreement import Agreement, agreement, fingerprint, near_enough, processor, remembered, trials
from .engine import Head, padding_id
from .onnxruntime import OnnxEngine
from .torch import TorchEngine

_LEAST_INT8 = 0.95
"""Of the hidden states of a text, to those of float32."""
_NARROW = 512
"""Features up to which a batch may have twice the tokens."""
_HOW = {"int8": "rows scaled", "dynamic": "one range of each activation"}


def own_engine(model: HuggingFaceModel, head: Head, quantization: str | None, report: Report) -> OnnxEngine:
    """Return the engine; float32 weights of a safetensors file are mapped from it, and not copied.

    Parameters
    ----------
    model
        A checkpoint of one of the families.
    head
        What to compute.
    quantization
        ``"int8"``, ``"dynamic"`` or None.
    report
        Called as each step begins.

    Raises
    ------
    workbench.pipelines.graphs.UnfitError
        If there is no graph for it, or if it computes something else than torch.
    """
    report(Step("writing the graph", 0.0))
    encoder = read_encoder(model.config, model.tensors, head)
    write = partial(_plain, encoder)
    graph = write()
    plain = _opened(graph, write, model) if quantization is None else None
    key = fingerprint(model, graph, head)
    why, now = _float_agreement(key, model, head, lambda: plain or _opened(graph, write, model), report)
    if plain is not None:
        engine = plain
    else:
        engine, least = _quantized(model, head, encoder, str(quantization), report)
        why = f"{least}; in float32 {why}"
    engine.compared_now |= now
    if encoder.layers[0].out.weight.shape[0] <= _NARROW:
        engine.tokens_at_once *= 2
    how = "float32" if quantization is None else f"{quantization} ({_HOW[quantization]})"
    engine.why = f"ONNX Runtime with a graph of our own for {encoder.family} in {how}: {why}"
    return engine


def _float_agreement(
    key: str, model: HuggingFaceModel, head: Head, opened: Callable[[], OnnxEngine], report: Report
) -> tuple[str, bool]:
    """Say how near the graph is to torch, and whether that was measured now; or refuse it."""

    def measure() -> Agreement:
        report(Step("checking the graph against torch", 0.3))
        reference = TorchEngine(model, head, shared=False)
        engine = opened()
        try:
            return agreement(engine, reference, trials(model, engine))
        except RunError as error:
            raise UnfitError(f"it could not be compared with torch: {error}") from error

    found, now = remembered(key, measure)
    return near_enough(found, of="output"), now


def _quantized(
    model: HuggingFaceModel, head: Head, encoder: Encoder, quantization: str, report: Report
) -> tuple[OnnxEngine, str]:
    """Return the engine in int8, and how near its hidden states are to those of float32."""
    report(Step("quantising the weights", 0.6))
    write = partial(_int8, encoder, quantization)
    graph = write()
    engine = _opened(graph, write, model, quantization)

    def measure() -> Agreement:
        report(Step("measuring the error", 0.8))
        hidden = read_encoder(model.config, model.tensors, "hidden")
        reference = _opened(_plain(hidden), partial(_plain, hidden), model)
        write_hidden = partial(_int8, hidden, quantization)
        tried = engine if head == "hidden" else _opened(write_hidden(), write_hidden, model)
        return agreement(tried, reference, trials(model, tried))

    found, engine.compared_now = remembered(fingerprint(model, graph, processor()), measure)
    if not found.cosine >= _LEAST_INT8:
        raise UnfitError(f"in {quantization} its hidden states have a cosine of {format_cosine(found.cosine)} only")
    return engine, f"cosine to float32 {format_cosine(found.cosine)} at least, of the hidden states of random tokens"


def _plain(encoder: Encoder) -> Graph:
    return EncoderGraph(encoder).written()


def _int8(encoder: Encoder, quantization: str) -> Graph:
    return Int8Graph(encoder, scaled=quantization == "int8").written()


def _opened(
    graph: Graph, again: Callable[[], Graph], model: HuggingFaceModel, quantization: str | None = None
) -> OnnxEngine:
    pad = padding_id(model.config.get("pad_token_id"))
    try:
        return OnnxEngine(graph, again, model.given, pad=pad, quantization=quantization)
    except RunError as error:  # a build of ONNX Runtime without the operators
        raise UnfitError(str(error)) from error
