"""The interface of what computes a model over padded batches of tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.pipelines.computing import Computing

Head = Literal["hidden", "labels", "token-labels", "spans"]
"""What is computed: hidden states, a score for each label, the same for each token, or begins and ends of spans."""


@dataclass(frozen=True)
class Batch:
    """Tokens of several texts as a rectangle, shorter ones padded on the right.

    Parameters
    ----------
    ids
        Token ids, int64 of shape (batch, sequence).
    mask
        1 for tokens, 0 for padding; int64 of the same shape.
    types
        0 for the first text of a pair and 1 for the second, int64 of the same shape; None where all are 0.
    """

    ids: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any]
    types: np.ndarray[Any, Any] | None = None

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """Tokens of each text, padding not counted."""
        lengths: np.ndarray[Any, Any] = self.mask.sum(axis=1)
        return lengths

    def of(self, rows: list[int]) -> Batch:
        """Return some of its texts, without padding that all of them have."""
        longest = int(self.lengths[rows].max())
        parts = (self.ids, self.mask, self.types)
        ids, mask, types = (None if part is None else np.ascontiguousarray(part[rows, :longest]) for part in parts)
        return Batch(ids, mask, types)  # type: ignore[arg-type]  # the first two are always there


class Engine(Computing, ABC):
    """A model that is ready to compute."""

    lanes: int = 1
    """How many batches it is best given at once, each by a thread of its own."""
    tokens_at_once: int = 4096
    """How many tokens, padding among them, a batch is best made of."""
    takes_types: bool = True
    """Whether the model tells the first text of a pair from the second by type ids."""
    pad: int = 0
    """Token id of padding."""
    heeds_padding: bool | None = True
    """Whether a text in a batch with padding gets what it gets alone; None where :mod:`.padding` has to try it."""

    @abstractmethod
    def forward(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute a batch.

        Returns
        -------
        numpy.ndarray
            float32: ``hidden`` (batch, sequence, width), ``labels`` (batch, labels), ``token-labels`` (batch, sequence,
            labels), ``spans`` (batch, sequence, 2) with the logits of begin and end.

        Raises
        ------
        workbench.errors.RunError
            If the runtime cannot, with its reason.
        """

    def forward_alone(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute one text that nobody else waits beside, as soon as that can be; as :meth:`forward`."""
        return self.forward(batch)


def padding_id(configured: object) -> int:
    """Return the token id of padding, which a configuration need not have; the mask hides it, whatever it is."""
    return configured if type(configured) is int and configured >= 0 else 0
