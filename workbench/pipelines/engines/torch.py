"""Torch as an engine: any architecture of transformers, on any device that torch has."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from workbench.errors import RunError
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.models.torch_arrays import check_device, first_line, import_or_say

from .engine import Batch, Engine, Head, padding_id

_TOKENS_ON_CPU, _TOKENS_ELSEWHERE = 1024, 16_384


class TorchEngine(Engine):
    """The module that transformers makes.

    On a CPU it computes in float32, whatever the checkpoint has, since half precision is slow there; elsewhere in the
    checkpoint's own dtype. The module of a model that was loaded for the same device and dtype is shared with it.

    Parameters
    ----------
    model
        The checkpoint.
    head
        What to compute; it fits the architecture.
    device
        As torch names it.
    shared
        Whether the module of the model itself may be used, which is then kept with the model.
    why
        The beginning of :attr:`why`.

    Raises
    ------
    workbench.errors.RunError
        If transformers cannot build it.
    """

    name = "torch"
    heeds_padding = None

    def __init__(
        self, model: HuggingFaceModel, head: Head, *, device: str = "cpu", shared: bool = True, why: str = ""
    ) -> None:
        torch = import_or_say("torch")
        place = check_device(device)
        module = _module(model, place, shared)
        self.given, self.device = model.given, str(place)
        self._whole, self._head = module, head
        self._module = without_head(module) if head == "hidden" else module
        parameters = inspect.signature(self._module.forward).parameters
        self._options = {"return_dict": True, **({"use_cache": False} if "use_cache" in parameters else {})}
        self.takes_types = "token_type_ids" in parameters and any(
            spec.name == "token_type_ids" for spec in model.info.inputs
        )
        self._takes_mask = "attention_mask" in parameters
        self.nbytes = sum(tensor.nbytes for tensor in module.state_dict().values())
        self.tokens_at_once = _TOKENS_ON_CPU if place.type == "cpu" else _TOKENS_ELSEWHERE
        pad = getattr(module.config, "pad_token_id", None)
        if pad is None and head == "labels":
            self.tokens_at_once = 1  # transformers finds the last token by the padding's id; without one, text by text
        self.pad = padding_id(pad)
        dtype = str(next(iter(module.parameters())).dtype).removeprefix("torch.")
        self.why = f"{why}torch {torch.__version__} in {dtype} on {self.device}"

    def forward(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute a batch; see :meth:`workbench.pipelines.engines.engine.Engine.forward`."""
        import torch

        if self._module is None:
            raise RunError(f"The engine of {self.given} is closed. Open a new one.")
        try:
            with torch.inference_mode():
                feeds = {"input_ids": torch.from_numpy(batch.ids).to(self.device)}
                if self._takes_mask:
                    feeds["attention_mask"] = torch.from_numpy(batch.mask).to(self.device)
                if self.takes_types and batch.types is not None:
                    feeds["token_type_ids"] = torch.from_numpy(batch.types).to(self.device)
                result = self._module(**feeds, **self._options)
                output = _output(result, self._head)
                array: np.ndarray[Any, Any] = output.float().cpu().numpy()
                return array
        except Exception as error:
            raise RunError(
                f"{type(self._whole).__name__} of {self.given} stopped on torch, with {batch.ids.shape[0]} texts of up "
                f"to {batch.ids.shape[1]} tokens: {first_line(error)}."
            ) from error

    def close(self) -> None:
        """Let the module go."""
        self._module = self._whole = None


def _module(model: HuggingFaceModel, place: Any, shared: bool) -> Any:
    """Return the model's own module if it computes where and in what is wanted; else one beside it."""
    torch = import_or_say("torch")
    narrow = place.type == "cpu" and not is_float32(model)
    if shared and not narrow and torch.device(model.device) == place:
        return model.module
    module = model.build()
    return module.float().to(place) if narrow else module.to(place)


def is_float32(model: HuggingFaceModel) -> bool:
    """Return whether most of the weights' bytes that are floats are float32."""
    floats = (name for name in model.info.dtypes if name.startswith(("float", "bfloat")))
    return next(floats, "float32") == "float32"


def without_head(module: Any) -> Any:
    """Return the part without a head; of an encoder-decoder the encoder."""
    base = module.base_model
    return base.get_encoder() if getattr(base.config, "is_encoder_decoder", False) else base


def _output(result: Any, head: Head) -> Any:
    import torch

    if head == "hidden":
        return result.last_hidden_state
    if head == "spans":
        return torch.stack([result.start_logits, result.end_logits], -1)
    return result.logits
