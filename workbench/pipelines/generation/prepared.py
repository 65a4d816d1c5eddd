"""What transformers prepares before the first token: a cache, positions, and what options make of logits.

``generate`` of transformers cannot be stopped between two tokens, draws from torch's global random numbers, and shows
tokens only to another thread. But it hands what it prepared to a function given as ``custom_generate``, in place of its
own loop. Ours returns it, and the loop is then run from outside, step by step, by whoever reads the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from .options import GenerationOptions


@dataclass(frozen=True)
class Prepared:
    """What a continuation begins with.

    Parameters
    ----------
    ids
        Token ids of the prompts, int64 (rows, tokens), filled up on the left.
    processors
        From these and logits to scores.
    draws
        Whether tokens are drawn by their probabilities.
    given
        What the module's own methods want besides the tokens.
    """

    ids: torch.Tensor
    processors: Any
    draws: bool
    given: Mapping[str, Any]


def prepared(
    module: Any, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int, device: Any
) -> Prepared:
    """Let ``generate`` of transformers prepare a continuation.

    Parameters
    ----------
    module
        The model; its weights are not used.
    prompts, options, longest
        As for :meth:`~workbench.pipelines.generation.decoder.Decoder.begin`.
    device
        Where the tokens are wanted.
    """
    config = module.generation_config
    # What is penalised for being there already is there with its own first token as well; the mask hides it.
    padding = None if _repetition(options, config)[0] else _padding(config)
    ids, mask = _rectangle(prompts, padding)
    made: Prepared = module.generate(
        ids.to(device),
        attention_mask=mask.to(device),
        custom_generate=_hand_over,
        num_beams=1,
        num_return_sequences=1,
        stop_strings=None,  # ours to find: see Decoder.stops
        **_lengths(config, ids.shape[1], longest),
        **options.for_transformers(longest),
    )
    return made


_OF_NO_PLACE = {
    "TemperatureLogitsWarper",
    "TopKLogitsWarper",
    "TopPLogitsWarper",
    "MinPLogitsWarper",
    "NoRepeatNGramLogitsProcessor",
}
"""What changes logits in the same way wherever in a text they stand."""


class Preparation:
    """Prepares continuations of one module, and does again only what differs: it takes as long as a small model does.

    Parameters
    ----------
    module
        The model; its weights are not used, nor does its forward pass need anything but tokens.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._known: dict[GenerationOptions, Prepared] = {}

    def __call__(self, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> Prepared:
        """Prepare; as :func:`prepared`."""
        import torch

        alike = replace(options, max_new_tokens=None, stop=(), seed=None)
        if len(prompts) == 1 and alike in self._known:
            return replace(self._known[alike], ids=torch.tensor([prompts[0]]))
        made = prepared(self._module, prompts, options, longest, "cpu")
        if all(type(one).__name__ in _OF_NO_PLACE for one in made.processors):
            self._known = {**self._known, alike: made} if len(self._known) < _MOST_KNOWN else {alike: made}
        return made


_MOST_KNOWN = 64


def _hand_over(
    model: Any, input_ids: Any, logits_processor: Any, stopping_criteria: Any, generation_config: Any, **given: Any
) -> Prepared:
    """Return what ``generate`` prepared, in place of the loop that it asks for."""
    return Prepared(input_ids, logits_processor, bool(generation_config.do_sample), given)


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


def minds_padding(options: GenerationOptions, config: Any) -> bool:
    """Tell whether logits are changed by tokens before them in a way that no token to fill up with leaves alone."""
    penalised, sequences = _repetition(options, config)
    return sequences == 1 or (penalised and sequences > 0)


def _repetition(options: GenerationOptions, config: Any) -> tuple[bool, int]:
    """Return whether repeated tokens are penalised, and how long the sequences are that must not repeat."""
    penalty = options.repetition_penalty or config.repetition_penalty or 1.0
    sequences = options.no_repeat_ngram_size
    return penalty != 1.0, (config.no_repeat_ngram_size or 0) if sequences is None else sequences


def _rectangle(prompts: Sequence[Sequence[int]], padding: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and their mask, int64 (rows, tokens), filled up on the left: the text goes on at the right."""
    import torch

    width = max(map(len, prompts))
    ids = torch.empty((len(prompts), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, : width - len(prompt)] = prompt[0] if padding is None else padding
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask
