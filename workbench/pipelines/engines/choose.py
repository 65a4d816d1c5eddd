"""Which engine computes a model, and why."""

from __future__ import annotations

from typing import get_args

from workbench.errors import InputError, MissingLibraryError
from workbench.models.export.step import Report, nobody
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.models.formats.huggingface.building import architecture_of
from workbench.pipelines.encoder import UnfitError
from workbench.text import did_you_mean

from .engine import Engine, Head
from .exported import exported_engine
from .own import own_engine
from .torch import TorchEngine

ENGINES = ("auto", "torch", "onnxruntime")
QUANTIZATIONS = ("int8", "dynamic")
_MADE_FOR: dict[Head, tuple[str, ...]] = {
    "labels": ("ForSequenceClassification",),
    "token-labels": ("ForTokenClassification",),
    "spans": ("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
}


def open_engine(
    model: HuggingFaceModel,
    head: Head,
    *,
    engine: str = "auto",
    device: str = "cpu",
    quantization: str | None = None,
    progress: Report | None = None,
) -> Engine:
    """Return what computes a model; its ``why`` says why it is this one.

    Parameters
    ----------
    model
        The checkpoint.
    head
        What to compute; all but ``"hidden"`` need an architecture that has it.
    engine
        ``"onnxruntime"``
            By a graph of our own, for the families of :data:`workbench.pipelines.encoder.FAMILIES`. It is compared with
            torch once, and whether they agree is remembered for the checkpoint. Others are exported by torch first,
            which takes a while.
        ``"torch"``
            Any architecture of transformers, on any device.
        ``"auto"``
            ONNX Runtime on the CPU where there is a graph of our own or weights are to be int8, and torch elsewhere.
    device
        As torch names it; ONNX Runtime computes on the CPU.
    quantization
        ``"int8"`` or ``"dynamic"`` for int8 weights, the second faster and less exact; None for float32.
    progress
        Called with a :class:`~workbench.models.export.step.Step` as each step begins.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine, quantisation or head, or one does not go with another.
    workbench.errors.MissingLibraryError
        If the engine that was asked for is not installed, or the device not there.
    workbench.errors.RunError
        If the model cannot be built, exported or quantised, with the library's reason.
    """
    _check_names(engine, quantization, head)
    _check_head(model, head)
    report = progress or nobody
    if str(device) != "cpu" or engine == "torch":
        check_torch(engine, str(device), quantization)
        return TorchEngine(
            model, head, device=str(device), why="asked for: " if engine == "torch" else "for a device: "
        )
    try:
        return own_engine(model, head, quantization, report)
    except UnfitError as error:
        why = str(error)
    except MissingLibraryError as error:
        if engine != "auto" or quantization is not None:
            raise
        return TorchEngine(model, head, why=f"ONNX Runtime is not there ({error}): ")
    if engine == "auto" and quantization is None:
        return TorchEngine(model, head, why=f"a graph of our own does not do ({why}): ")
    return exported_engine(model, head, quantization, report, why=why)


def _check_names(engine: str, quantization: str | None, head: str) -> None:
    for name, given, known in (
        ("engine", engine, ENGINES),
        ("quantization", quantization, (None, *QUANTIZATIONS)),
        ("head", head, get_args(Head)),
    ):
        if given not in known:
            raise InputError(
                f"There is no {name}={given!r}.{did_you_mean(given, [one for one in known if one])} There are: "
                f"{', '.join(map(repr, known))}."
            )


def check_torch(engine: str, device: str, quantization: str | None) -> None:
    """Refuse what torch does not do, where the engine or the device asks for it."""
    if engine == "onnxruntime":
        raise InputError(
            f"engine='onnxruntime' computes on the CPU, and device={device!r} was asked for. Leave engine out, which "
            "takes torch there, or leave device out."
        )
    if quantization is not None:
        where = f"device={device!r} takes torch" if device != "cpu" else "engine='torch'"
        raise InputError(
            f"quantization={quantization!r} is ONNX Runtime's on the CPU, and {where}, which has none. Leave "
            f"{'device' if device != 'cpu' else 'engine'} out, or quantization."
        )


def _check_head(model: HuggingFaceModel, head: Head) -> None:
    architecture = architecture_of(model.config)
    if head == "hidden" or architecture.endswith(_MADE_FOR[head]):
        return
    raise InputError(
        f"{model.info.name} has no head for {head!r}: that is an architecture that ends in {_MADE_FOR[head][0]}. "
        "Load a checkpoint that was trained for it; hidden states ('hidden') can be had of any."
    )
