"""Which engine writes, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, MissingLibraryError, RunError
from workbench.models.export.step import Report, Step, nobody
from workbench.models.torch_arrays import check_device, import_or_say
from workbench.pipelines.encoder import UnfitError
from workbench.pipelines.engines.choose import ENGINES, QUANTIZATIONS, check_torch
from workbench.text import did_you_mean

from .decoder import Decoder
from .own import own_decoder
from .torch_decoder import TorchDecoder

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel


def open_decoder(
    model: HuggingFaceModel,
    *,
    engine: str = "auto",
    device: str = "cpu",
    quantization: str | None = None,
    progress: Report | None = None,
) -> Decoder:
    """Return what computes the tokens of a model; its ``why`` says why it is this one.

    Parameters
    ----------
    model
        The checkpoint.
    engine
        ``"onnxruntime"``
            By a graph of our own, for the families of :mod:`workbench.pipelines.generation.causal.families`. It is
            compared with torch once, and whether they agree is remembered for the checkpoint.
        ``"torch"``
            Any architecture of transformers that writes text, on any device, in the dtype of the checkpoint.
        ``"auto"``
            ONNX Runtime on the CPU where there is a graph of our own, and torch elsewhere.
    device
        As torch names it; ONNX Runtime computes on the CPU.
    quantization
        ``"int8"`` for int8 weights; None for those of the checkpoint.
    progress
        Called with a :class:`~workbench.models.export.step.Step` as each step begins.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine or quantisation, or one does not go with the other.
    workbench.errors.RunError
        If the model does not write text, or the engine that was asked for cannot compute it.
    """
    for name, given, known in (("engine", engine, ENGINES), ("quantization", quantization, (None, *QUANTIZATIONS))):
        if given not in known:
            raise InputError(
                f"There is no {name}={given!r}.{did_you_mean(given, [one for one in known if one])} There are: "
                f"{', '.join(map(repr, known))}."
            )
    if quantization == "dynamic":
        raise InputError(
            "quantization='dynamic' is not there for text-generation; 'int8' is, which is as fast and finer: each 32 "
            "weights have a scale of their own, and what they are multiplied with becomes int8 as it comes."
        )
    report = progress or nobody
    if engine == "torch" or str(device) != "cpu":
        check_torch(engine, str(device), quantization)
        return _torch(model, str(device), "asked for: " if engine == "torch" else "for a device: ", report)
    try:
        return own_decoder(model, quantization, report)
    except UnfitError as error:
        why = str(error)
    except MissingLibraryError as error:
        if engine != "auto" or quantization is not None:
            raise
        return _torch(model, "cpu", f"ONNX Runtime is not there ({error}): ", report)
    if engine == "auto" and quantization is None:
        return _torch(model, "cpu", f"a graph of our own does not do ({why}): ", report)
    raise RunError(
        f"{model.given} does not run on ONNX Runtime: a graph of our own does not do ({why}). Leave engine and "
        "quantization out, which takes torch."
    )


def _torch(model: HuggingFaceModel, device: str, why: str, report: Report) -> TorchDecoder:
    place = check_device(device)
    report(Step("loading the weights", 0.1))
    torch: Any = import_or_say("torch")
    module = model.module if torch.device(model.device) == place else model.build().to(place)
    return TorchDecoder(module, model.given, why)
