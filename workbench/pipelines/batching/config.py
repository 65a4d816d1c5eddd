"""How many requests run together, how long one waits for others, and how many may wait."""

from __future__ import annotations

import numbers
import sys
from dataclasses import dataclass

from workbench.errors import InputError


@dataclass(frozen=True)
class BatchConfig:
    """The limits of a batcher.

    Parameters
    ----------
    max_batch_size
        At most so many requests run together.
    max_wait_ms
        A request waits at most so many milliseconds for others, counted from the oldest one that waits. With 0 nobody
        waits for company: what has gathered while the last batch ran goes together.
    max_queue
        At most so many requests wait; a further one is refused.

    Raises
    ------
    workbench.errors.InputError
        If a number is out of range, or the queue is smaller than a batch.

    Examples
    --------
    >>> BatchConfig(max_batch_size=16, max_wait_ms=2)
    BatchConfig(max_batch_size=16, max_wait_ms=2, max_queue=1000)
    """

    max_batch_size: int = 32
    max_wait_ms: float = 5.0
    max_queue: int = 1000

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_queue"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, got {value!r}.")
        wait = self.max_wait_ms
        if isinstance(wait, bool) or not isinstance(wait, numbers.Real) or not 0 <= wait <= sys.float_info.max:
            raise InputError(f"max_wait_ms must be milliseconds, 0 or more and finite, got {wait!r}.")
        if self.max_queue < self.max_batch_size:
            raise InputError(
                f"max_queue={self.max_queue} is smaller than max_batch_size={self.max_batch_size}, so no batch could "
                f"ever be full. Let max_queue be at least {self.max_batch_size}."
            )
