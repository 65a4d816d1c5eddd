"""Which engine writes, and why."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.models.export.step import Report, Step, nobody
from workbench.models.torch_arrays import check_device, import_or_say
from workbench.pipelines.computing import choose

from .decoder import Decoder
from .own import own_decoder
from .torch_decoder import TorchDecoder

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel
    from workbench.pipelines.computing import Opening

QUANTIZATIONS = ("int8",)
"""Of decoders: each 32 weights have a scale of their own, and what they are multiplied with becomes int8 as it comes,
which is as fast as ``"dynamic"`` would be, and finer."""


def open_decoder(model: HuggingFaceModel, how: Opening) -> Decoder:
    """Return what computes the tokens of a model; its ``why`` says why it is this one.

    Parameters
    ----------
    model
        The checkpoint.
    how
        As for :func:`~workbench.pipelines.computing.choose`. ONNX Runtime computes a graph of our own for the families
        of :mod:`workbench.pipelines.generation.causal.families`, which is compared with torch once; whether they agree
        is remembered for the checkpoint. Torch computes in the dtype of the checkpoint.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine or quantisation, or one does not go with another.
    workbench.errors.RunError
        If the model does not write text, or the engine that was asked for cannot compute it.
    """
    report = how.progress or nobody

    def refuse(why: str) -> Decoder:
        raise RunError(
            f"{model.given} does not run on ONNX Runtime: a graph of our own does not do ({why}). Leave engine and "
            "quantization out, which takes torch."
        )

    decoder: Decoder = choose(
        how,
        by_torch=lambda why: _torch(model, str(how.device), why, report),
        by_own_graph=partial(own_decoder, model, how.quantization, report),
        otherwise=refuse,
        quantizations=QUANTIZATIONS,
    )
    return decoder


def _torch(model: HuggingFaceModel, device: str, why: str, report: Report) -> Decoder:
    place = check_device(device)
    report(Step("loading the weights", 0.1))
    torch: Any = import_or_say("torch")
    module = model.module if torch.device(model.device) == place else model.build().to(place)
    return TorchDecoder(module, model.given, why)
