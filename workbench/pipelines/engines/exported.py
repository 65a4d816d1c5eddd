"""Any architecture that torch exports, on ONNX Runtime: exported and perhaps quantised into a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from workbench.models.export.difference import format_cosine
from workbench.models.export.step import Report, part
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.models.load import load
from workbench.models.torch_model import TorchModel
from workbench.pipelines.graphs import Graph

from .agreement import trials
from .engine import Head, padding_id
from .onnxruntime import OnnxEngine
from .padding import heeds_padding, one_by_one
from .torch import is_float32, without_head

_OUTPUTS: dict[Head, list[str]] = {
    "hidden": ["last_hidden_state"],
    "labels": ["logits"],
    "token-labels": ["logits"],
    "spans": ["start_logits", "end_logits"],
}


def exported_engine(
    model: HuggingFaceModel, head: Head, quantization: str | None, report: Report, *, why: str
) -> OnnxEngine:
    """Return the engine.

    Parameters
    ----------
    model
        The checkpoint.
    head
        What to compute; it fits the architecture.
    quantization
        A method of :func:`workbench.models.export.quantize.quantize`, or None.
    report
        Called as each step begins.
    why
        Why there is no graph of our own, as a clause.

    Raises
    ------
    workbench.errors.RunError
        If torch cannot export it, or ONNX Runtime not quantise it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fusion-workbench-"))
    try:
        path = folder / "model.onnx"
        exporting = report if quantization is None else part(report, 0.0, 0.6)
        exported = _taken(model, head).to_onnx(path, dtype="float32", outputs=_OUTPUTS[head], progress=exporting)
        facts = f"{exported.export.exporter}, at most {exported.export.worst.relative:.1g} from torch"
        engine = _opened(model, head, path)
        heeds = heeds_padding(engine, trials(model, engine)[0])
        if quantization is not None:
            smaller = folder / f"{quantization}.onnx"
            made = exported.quantize(quantization, smaller, progress=part(report, 0.6, 1.0))
            cosine = f", cosine to float32 {format_cosine(made.worst.cosine)} on random tokens" if made.worst else ""
            engine, facts = _opened(model, head, smaller, quantization), f"{facts}; {quantization}{cosine}"
        engine.compared_now = True
        engine.why = f"ONNX Runtime with an export of torch ({facts}), since a graph of our own does not do: {why}"
        one_by_one(engine, needed=not heeds)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    # its weights may be mapped from there
    weakref.finalize(engine, shutil.rmtree, folder, ignore_errors=True)
    return engine


def _opened(model: HuggingFaceModel, head: Head, path: Path, quantization: str | None = None) -> OnnxEngine:
    graph = Graph(str(path), sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*")))
    pad = padding_id(model.config.get("pad_token_id"))
    return OnnxEngine(graph, lambda: graph, model.given, outputs=_OUTPUTS[head], pad=pad, quantization=quantization)


def _taken(model: HuggingFaceModel, head: Head) -> TorchModel:
    """Return what is exported: the model in float32, or the part of it that has no head."""
    plain = is_float32(model)
    module = model.module if plain else model.build().float()
    part = without_head(module) if head == "hidden" else module
    if plain and part is module:
        return model
    taken = load(part)
    assert isinstance(taken, TorchModel)
    return taken
