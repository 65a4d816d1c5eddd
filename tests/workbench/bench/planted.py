"""Cheats for tests: how each is entered under the words that name it, and work that is worth skipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

x = np.random.default_rng(3).standard_normal((20, 30)).astype(np.float32)
Function = Callable[..., Any]
Maker = Callable[[], Function]


class Cheats(dict[str, tuple[Maker, str]]):
    """Makers of cheats by name, with the words."""

    def caught(self, words: str) -> Callable[[Maker], Maker]:
        """Enter a maker of a cheat, with the words that name it."""

        def enter(make: Maker) -> Maker:
            self[make.__name__] = make, words
            return make

        return enter


def work(values: Any) -> Any:
    """Take long enough that there is something to gain."""
    with np.errstate(over="ignore"):  # a cheat may have spoiled the values
        for _ in range(30):
            result = np.exp(values)
    return result
