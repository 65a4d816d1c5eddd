"""Tokens by torch: transformers prepares each architecture's own inputs and cache, and we take one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.models.formats.huggingface.signature import longest_text
from workbench.models.torch_arrays import first_line

from .decoder import Continuation, Decoder
from .options import GenerationOptions
from .prepared import Prepared, prepared

if TYPE_CHECKING:
    import torch

_TRIED = 3
"""So many tokens are computed to see whether padding makes a difference."""


class TorchDecoder(Decoder):
    """A module of transformers.

    Parameters
    ----------
    module
        The model.
    given
        The checkpoint, as the user named it.
    why
        Why it is torch.

    Raises
    ------
    workbench.errors.RunError
        If the model does not write text, or reads one text to write another.
    """

    name = "torch"

    def __init__(self, module: Any, given: str, why: str = "") -> None:
        import torch

        if not module.can_generate() or module.config.is_encoder_decoder:
            what = "reads one text and writes another" if module.config.is_encoder_decoder else "does not write text"
            raise RunError(
                f"{given} is a {type(module).__name__}, which {what}; text-generation continues a text. Give a "
                "model whose architecture ends in ForCausalLM or LMHeadModel."
            )
        self._module, self._given = module, given
        self.device, self.generation = str(module.device), module.generation_config
        self.why = f"{why}torch {torch.__version__} in {str(module.dtype).removeprefix('torch.')} on {self.device}"
        self.nbytes = sum(tensor.nbytes for tensor in module.parameters())
        self.longest = longest_text(module.config.get_text_config(decoder=True).to_dict())

    @cached_property
    def takes_padding(self) -> bool:  # type: ignore[override]
        """Whether prompts of different lengths can be continued together; tried, the first time that it matters.

        Some architectures have no mask, some take one and do not heed it, and some count positions from the padding on.
        """
        import torch

        prompts = [
            [token % self._module.config.get_text_config(decoder=True).vocab_size for token in range(2, length)]
            for length in (9, 5)
        ]
        tolerance = 1e-3 if self._module.dtype in (torch.float32, torch.float64) else 5e-2
        try:
            with torch.inference_mode():
                together, *alone = (
                    self.begin(some, GenerationOptions(do_sample=False), _TRIED)
                    for some in (prompts, *([prompt] for prompt in prompts))
                )
                for _ in range(_TRIED):
                    expected = torch.cat([one.logits() for one in alone])
                    if (together.logits() - expected).abs().max() > tolerance * expected.abs().max():
                        return False
                    tokens = expected.argmax(-1).tolist()
                    together.append(tokens)
                    for one, token in zip(alone, tokens, strict=True):
                        one.append([token])
        except Exception:
            return False
        return True

    def begin(self, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> TorchContinuation:
        """Prepare what the architecture needs; the first forward pass comes with the first scores."""
        module = self._module
        if module is None:
            raise RunError(f"The engine of {self._given} is closed. Open a new one.")
        try:
            return TorchContinuation(module, prepared(module, prompts, options, longest, module.device))
        except Exception as error:
            raise RunError(f"{self._given} cannot begin to write: {first_line(error)}.") from error

    def close(self) -> None:
        """Let the module go."""
        self._module = None


class TorchContinuation(Continuation):
    """Rows that a module of transformers continues.

    Parameters
    ----------
    module
        The model.
    prepared
        For it.
    """

    def __init__(self, module: Any, prepared: Prepared) -> None:
        super().__init__(prepared)
        self._module, self._given = module, prepared.given
        self._step: dict[str, Any] = {"is_first_iteration": True}
        cached = self._given.get("use_cache", True)  # some configurations say that the past is computed anew each time
        self._next: dict[str, Any] = {"next_sequence_length": 1 if cached else None}
        if hasattr(module, "_get_initial_cache_position"):  # transformers 5.0, whose cache does not count its tokens
            self._given = module._get_initial_cache_position(self._ids.shape[1], self._ids.device, self._given)
            self._next = {}

    def logits(self) -> torch.Tensor:
        """Run the model over the prompts, or over the tokens appended since."""
        import torch

        module = self._module
        inputs = module.prepare_inputs_for_generation(self._ids, **self._step, **self._given)
        outputs = module(**inputs, return_dict=True)
        self._given, self._step = module._update_model_kwargs_for_generation(outputs, self._given), self._next
        logits: torch.Tensor = outputs.logits[:, -1].to(torch.float32, copy=True)
        return logits
