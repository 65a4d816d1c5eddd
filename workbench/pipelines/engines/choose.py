"""Which engine computes a model, and why."""

from __future__ import annotations

from functools import partial

from workbench.models.export.step import nobody
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.pipelines.computing import Opening, choose

from .engine import Engine, Head
from .exported import exported_engine
from .own import own_engine
from .torch import TorchEngine


def open_engine(model: HuggingFaceModel, head: Head, how: Opening) -> Engine:
    """Return what computes a model; its ``why`` says why it is this one.

    Parameters
    ----------
    model
        The checkpoint.
    head
        What to compute; all but ``"hidden"`` need an architecture that has it.
    how
        As for :func:`~workbench.pipelines.computing.choose`. ONNX Runtime computes a graph of our own for the families
        of :data:`workbench.pipelines.encoder.FAMILIES`, which is compared with torch once; whether they agree is
        remembered for the checkpoint. Others are exported by torch first, which takes a while.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine or quantisation, or one does not go with another.
    workbench.errors.MissingLibraryError
        If the engine that was asked for is not installed, or the device not there.
    workbench.errors.RunError
        If the model cannot be built, exported or quantised, with the library's reason.
    """
    report = how.progress or nobody
    return choose(
        how,
        by_torch=lambda why: TorchEngine(model, head, device=str(how.device), why=why),
        by_own_graph=partial(own_engine, model, head, how.quantization, report),
        otherwise=lambda why: exported_engine(model, head, how.quantization, report, why=why),
    )
