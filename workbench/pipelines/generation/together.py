"""Many prompts: which of them are continued together, so that each text is what it would be alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from workbench.pipelines.results import Generation

from .decoding import Decoding
from .prepared import minds_padding
from .prompts import Prompt, PromptReader

if TYPE_CHECKING:
    from .decoder import Decoder
    from .options import GenerationOptions

ROWS = 16
"""At most so many texts are written together."""
TOKENS = 16_384
"""A rectangle of prompts and texts has at most so many places, all of which the model's past takes memory for."""


def write(
    decoder: Decoder,
    reader: PromptReader,
    prompts: Sequence[Prompt],
    options: GenerationOptions,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Generation]:
    """Continue prompts, those of similar length together; return the texts in the order of the prompts.

    Parameters
    ----------
    decoder, reader, options
        As for :class:`~workbench.pipelines.generation.decoding.Decoding`.
    prompts
        Each leaves room for one token at least.
    cancelled
        Asked before each token whether to stop; what was written up to then is returned.
    """
    limits = [decoder.limit(len(prompt.ids), options) for prompt in prompts]
    texts: dict[int, Generation] = {}
    equal = minds_padding(options, decoder.generation)
    for places in _groups([len(prompt.ids) for prompt in prompts], limits, decoder, equal=equal):
        decoding = Decoding(
            decoder, reader, [prompts[place] for place in places], options, [limits[place] for place in places]
        )
        while not (decoding.done or cancelled()):
            decoding.step()
        texts.update(zip(places, decoding.results(), strict=True))
    return [texts[place] for place in range(len(prompts))]


def _groups(lengths: Sequence[int], limits: Sequence[int], decoder: Decoder, *, equal: bool) -> Iterator[list[int]]:
    """Yield the places of prompts that go together: sorted by length, and within what the model has positions for.

    A shorter prompt may have room for a longer text; beside a longer prompt, whose row goes on as long, that would lead
    past the model's last position.
    """
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        width = lengths[group[0]] if group else lengths[place]
        longest = max(limits[other] for other in (*group, place))
        fits = (
            len(group) < ROWS
            and (len(group) + 1) * (width + longest) <= TOKENS
            and (decoder.longest is None or width + longest <= decoder.longest)
            and (lengths[place] == width or (not equal and decoder.takes_padding))
        )
        if group and not fits:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
