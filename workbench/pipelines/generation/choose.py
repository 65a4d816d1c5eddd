"""Which engine writes, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.models.export.step import Report, Step, nobody
from workbench.models.torch_arrays import check_device
from workbench.text import did_you_mean

from .decoder import Decoder
from .torch_decoder import TorchDecoder

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

_ENGINES = ("auto", "torch", "onnxruntime")


def open_decoder(
    model: HuggingFaceModel, *, engine: str, device: str, quantization: str | None, progress: Report | None
) -> Decoder:
    """Return what computes the tokens of a model.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine, or none that does what is asked.
    workbench.errors.RunError
        If the model does not write text.
    """
    if engine not in _ENGINES:
        raise InputError(
            f"engine={engine!r} is none of {', '.join(map(repr, _ENGINES))}.{did_you_mean(engine, _ENGINES)}"
        )
    if engine == "onnxruntime":
        raise InputError(
            "engine='onnxruntime' does not write text: its graphs have no memory of the tokens before. Give "
            "engine='torch', or 'auto', which takes it."
        )
    if quantization is not None:
        raise InputError(
            f"quantization={quantization!r} is not there for text-generation, which torch computes in the dtype of the "
            "checkpoint. Leave it out."
        )
    check_device(device)
    (progress or nobody)(Step("loading the weights", 0.1))
    return TorchDecoder(model, device)
