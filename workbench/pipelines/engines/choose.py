"""Which engine computes a model, and why."""

from __future__ import annotations

from workbench.errors import InputError
from workbench.models.export.step import Report, Step, nobody
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.pipelines.encoder import UnfitError, read_encoder
from workbench.pipelines.encoder.graph import DISABLED, encoder_graph

from .engine import Engine, Head
from .onnxruntime import OnnxEngine
from .torch import TorchEngine


def open_engine(
    model: HuggingFaceModel,
    head: Head,
    *,
    engine: str = "auto",
    device: str = "cpu",
    quantization: str | None = None,
    progress: Report | None = None,
) -> Engine:
    """Return what computes a model; its ``why`` says why it is this one."""
    report = progress or nobody
    if quantization is not None:
        raise InputError(f"quantization={quantization!r} is not there yet.")
    if engine == "torch" or device != "cpu":
        return TorchEngine(model, head, device=device)
    report(Step("writing the graph", 0.1))
    try:
        encoder = read_encoder(model.config, model.tensors, head)
        written = encoder_graph(encoder)
    except UnfitError as error:
        return TorchEngine(model, head, device=device, why=f"no graph of our own: {error}; ")
    pad = model.config.get("pad_token_id")
    return OnnxEngine(
        written.proto,
        model.given,
        folder=written.folder,
        disabled=DISABLED,
        nbytes=written.nbytes,
        pad=pad or 0,
        why="a graph of our own",
    )
