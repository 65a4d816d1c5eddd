"""The interface of what computes the next token, whatever it computes with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.pipelines.computing import Computing

if TYPE_CHECKING:
    import torch

    from .options import GenerationOptions
    from .prepared import Prepared

DEFAULT_LENGTH = 256
"""New tokens where neither the caller nor the model says how many; as the pipeline of transformers has it."""


class Decoder(Computing, ABC):
    """A model that is ready to continue tokens."""

    longest: int | None = None
    """So many tokens, of prompt and text, it has positions for; None if there is no end."""
    takes_padding: bool = True
    """Whether prompts of different lengths can be continued together."""
    generation: Any
    """The model's own generation_config.json, as transformers has it."""

    @property
    def first(self) -> int | None:
        """The token that begins a text out of nothing."""
        token = self.generation.bos_token_id
        return token if isinstance(token, int) else None

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end a text."""
        token = self.generation.eos_token_id
        return frozenset(token if isinstance(token, (list, tuple)) else () if token is None else (token,))

    def stops(self, options: GenerationOptions) -> tuple[str, ...]:
        """Return the strings that end a text: those asked for, and the model's own."""
        own = self.generation.stop_strings or ()
        return (*options.stop, *((own,) if isinstance(own, str) else own))

    def limit(self, prompt: int, options: GenerationOptions) -> int:
        """Return how many new tokens a text has at the most, after a prompt of so many; less than 1 if none fits."""
        asked = options.max_new_tokens or self.generation.max_new_tokens
        if asked is None:
            longest = self.generation.max_length
            asked = longest - prompt if longest and longest > prompt else DEFAULT_LENGTH
        room = math.inf if self.longest is None else self.longest - prompt
        return int(min(asked, room))

    @abstractmethod
    def begin(self, prompts: Sequence[Sequence[int]], options: GenerationOptions, longest: int) -> Continuation:
        """Get ready to continue prompts, which need not be of one length, together.

        Parameters
        ----------
        prompts
            Their token ids.
        options
            By which the tokens are chosen.
        longest
            So many new tokens at the most.
        """


class Continuation(ABC):
    """Rows of tokens that grow; used by one thread at a time.

    Parameters
    ----------
    prepared
        Their tokens, and how scores are made of logits.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.draws = prepared.draws
        self._ids, self._processors = prepared.ids, prepared.processors

    @abstractmethod
    def logits(self) -> torch.Tensor:
        """Compute the logits of the next token, float32 (rows, vocabulary), which nobody else refers to."""

    def scores(self) -> torch.Tensor:
        """Compute the logits of the next token, as all options but the seed change them."""
        return self._processors(self._ids, self.logits())  # type: ignore[no-any-return]

    def append(self, tokens: Sequence[int]) -> None:
        """Let each row grow by a token; for one that has ended, any."""
        import torch

        column = torch.tensor(tokens, dtype=self._ids.dtype, device=self._ids.device)[:, None]
        self._ids = torch.cat([self._ids, column], dim=-1)
