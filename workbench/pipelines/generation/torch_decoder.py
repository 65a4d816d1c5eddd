"""Tokens by torch: transformers prepares each architecture's own inputs and cache, and we take one step at a time.

``generate`` of transformers cannot be stopped between two tokens, draws from torch's global random numbers, and shows
tokens only to another thread. But it hands what it prepared (the cache, positions, the logits processors of all its
options) to a function given as ``custom_generate``, in place of its own loop. Ours returns it, and the loop is then run
from outside, step by step, by whoever reads the text.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.models.formats.huggingface.signature import longest_text
from workbench.models.torch_arrays import check_device, first_line, import_or_say

from .decoder import Continuation, Decoder

if TYPE_CHECKING:
    import torch

    from workbench.models.formats.huggingface import HuggingFaceModel

    from .options import GenerationOptions


class TorchDecoder(Decoder):
    """A model of transformers.

    Parameters
    ----------
    model
        With a head for the next token.
    device
        As torch names it.

    Raises
    ------
    workbench.errors.RunError
        If the model does not write text, or reads one text to write another.
    """

    name = "torch"

    def __init__(self, model: HuggingFaceModel, device: str) -> None:
        torch = import_or_say("torch")
        place = check_device(device)
        module = model.module if torch.device(model.device) == place else model.build().to(place)
        if not module.can_generate() or module.config.is_encoder_decoder:
            what = "reads one text and writes another" if module.config.is_encoder_decoder else "does not write text"
            raise RunError(
                f"{model.given} is a {type(module).__name__}, which {what}; text-generation continues a text. Give a "
                "model whose architecture ends in ForCausalLM or LMHeadModel."
            )
        dtype = str(module.dtype).removeprefix("torch.")
        self.device, self.generation = str(place), module.generation_config
        self.why = f"torch {torch.__version__} in {dtype} runs every architecture that writes text"
        self.nbytes = sum(tensor.nbytes for tensor in module.parameters())
        self.longest = longest_text(module.config.get_text_config(decoder=True).to_dict())
        self._module, self._given = module, model.given
        self.takes_padding = "attention_mask" in inspect.signature(module.forward).parameters

    def begin(self, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> TorchContinuation:
        """Prepare what the architecture needs; the first forward pass comes with the first scores."""
        try:
            return TorchContinuation(self._module, prompts, options, longest)
        except Exception as error:
            raise RunError(f"{self._given} cannot begin to write: {first_line(error)}.") from error


class TorchContinuation(Continuation):
    """Rows that a module of transformers continues.

    Parameters
    ----------
    module
        The model.
    prompts, options, longest
        As for :meth:`~workbench.pipelines.generation.decoder.Decoder.begin`.
    """

    def __init__(self, module: Any, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> None:
        self._module = module
        ids, mask = rectangle(prompts, _padding(module.generation_config))
        self._ids, self._processors, config, self._given = module.generate(
            ids.to(module.device),
            attention_mask=mask.to(module.device),
            custom_generate=_hand_over,
            num_beams=1,
            num_return_sequences=1,
            **_lengths(module.generation_config, ids.shape[1], longest),
            **options.for_transformers(longest),
        )
        self.draws = bool(config.do_sample)
        self._step: dict[str, Any] = {"is_first_iteration": True}
        self._next: dict[str, Any] = {"next_sequence_length": 1}
        if hasattr(module, "_get_initial_cache_position"):  # transformers 5.0, whose cache does not count its tokens
            self._given = module._get_initial_cache_position(self._ids.shape[1], self._ids.device, self._given)
            self._next = {}

    def scores(self) -> torch.Tensor:
        """Run the model over the prompts, or over the tokens appended since."""
        import torch

        module = self._module
        with torch.inference_mode():
            inputs = module.prepare_inputs_for_generation(self._ids, **self._step, **self._given)
            outputs = module(**inputs, return_dict=True)
            self._given, self._step = module._update_model_kwargs_for_generation(outputs, self._given), self._next
            logits = outputs.logits[:, -1].to(torch.float32, copy=True)
            return self._processors(self._ids, logits)  # type: ignore[no-any-return]

    def append(self, tokens: Sequence[int]) -> None:
        """Let each row grow by a token."""
        import torch

        column = torch.tensor(tokens, dtype=self._ids.dtype, device=self._ids.device)[:, None]
        with torch.inference_mode():
            self._ids = torch.cat([self._ids, column], dim=-1)


def _hand_over(
    model: Any, input_ids: Any, logits_processor: Any, stopping_criteria: Any, generation_config: Any, **given: Any
) -> Any:
    """Return what ``generate`` prepared, in place of the loop that it asks for."""
    return input_ids, logits_processor, generation_config, given


def _lengths(config: Any, prompt: int, longest: int) -> dict[str, int]:
    """Say how long a text gets, in the words that the model's own configuration uses: transformers warns of both."""
    if config.max_new_tokens is None and config.max_length is not None:
        return {"max_length": prompt + longest}
    return {"max_new_tokens": longest}


def _padding(config: Any) -> int:
    """Return a token to fill up rows with, which the mask hides."""
    for token in (config.pad_token_id, config.eos_token_id, config.bos_token_id):
        if isinstance(token, list) and token:
            return int(token[0])
        if isinstance(token, int):
            return token
    return 0


def rectangle(prompts: Sequence[Sequence[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and their mask, int64 (rows, tokens), filled up on the left: the text goes on at the right."""
    import torch

    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), padding, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask
