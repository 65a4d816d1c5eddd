"""Many texts on one engine: sorted by length, in batches of about as many tokens, a thread for each lane."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from workbench.pipelines.windows import Encoded

from .engine import Batch, Engine
from .padding import together

Finish = Callable[[np.ndarray[Any, Any], Batch, list[int]], object]
"""Takes what an engine gave for a batch, the batch, and the places of its texts."""
_LEAST_TOKENS = 128
"""A batch is not made smaller than this to give each lane one: its matrices would be too small to be fast."""


def compute(
    engine: Engine,
    encodings: Sequence[Encoded],
    finish: Finish,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> dict[int, Exception]:
    """Compute all texts; one alone without a thread or a sort.

    Parameters
    ----------
    engine
        What computes.
    encodings
        The tokens of each text, which is not padded.
    finish
        Called for each batch, in the thread that computed it, so that pooling and decoding run beside the next batch:
        with the engine's output, the batch, and the places of its texts in ``encodings``.
    cancelled
        Asked before each batch from any thread; once it says True the rest is left out.

    Returns
    -------
    dict
        By the places of texts that failed, the error of their batch; those of others are not touched by it.
    """
    if len(encodings) == 1:
        if cancelled is not None and cancelled():
            return {}
        try:
            batch = _alone(encodings[0], engine)
            finish(engine.forward_alone(batch), batch, [0])
        except Exception as error:
            return {0: error}
        return {}
    return _Run(engine, encodings, finish, cancelled).through()


def batches(lengths: Sequence[int], tokens_at_once: int, lanes: int) -> list[list[int]]:
    """Return the places of the texts of each batch, the longest texts first.

    Parameters
    ----------
    lengths
        Tokens of each text.
    tokens_at_once
        Of a batch at most, with its padding; a longer text is a batch of its own.
    lanes
        Batches that are computed at the same time: few texts are shared out among them.

    Examples
    --------
    >>> batches([3, 9, 4, 8], tokens_at_once=18, lanes=1)
    [[1, 3], [2, 0]]
    """
    counted = np.asarray(lengths)
    order = np.argsort(-counted, kind="stable").tolist()
    share = -(-int(counted.sum()) // lanes)
    most = min(tokens_at_once, max(share, _LEAST_TOKENS))
    made = []
    start = 0
    while start < len(order):
        size = max(1, most // max(lengths[order[start]], 1))
        made.append(order[start : start + size])
        start += size
    return made


class _Run:
    """Texts that are being computed, by the calling thread and others beside it."""

    def __init__(
        self,
        engine: Engine,
        encodings: Sequence[Encoded],
        finish: Finish,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.errors: dict[int, Exception] = {}
        self._engine, self._finish, self._cancelled = engine, finish, cancelled
        self._ids = [np.array(encoding.ids, np.int64) for encoding in encodings]
        self._encodings = encodings
        self._lock, self._ended = threading.Lock(), False
        self._left: Iterator[list[int]] = iter(())
        self._raised: BaseException | None = None

    def through(self) -> dict[int, Exception]:
        """Compute all, and return the errors by place."""
        made = batches([len(ids) for ids in self._ids], self._engine.tokens_at_once, self._engine.lanes)
        self._left = iter(made)
        helpers = [
            threading.Thread(target=self._helps, name=f"workbench lane {lane}", daemon=True)
            for lane in range(1, min(self._engine.lanes, len(made)))
        ]
        try:
            for helper in helpers:
                helper.start()
            self._computes()
        finally:
            self._ended = True  # where the caller was interrupted, the others end with their batch
            for helper in helpers:
                if helper.ident is not None:
                    helper.join()
        if self._raised is not None:
            raise self._raised
        return self.errors

    def _helps(self) -> None:
        try:
            self._computes()
        except BaseException as error:
            self._raised, self._ended = error, True

    def _computes(self) -> None:
        while not self._ended and not (self._cancelled is not None and self._cancelled()):
            with self._lock:
                places = next(self._left, None)
            if places is None:
                return
            try:
                batch = self._batch(places)
                self._finish(together(self._engine, batch), batch, places)
            except Exception as error:
                self.errors.update(dict.fromkeys(places, error))

    def _batch(self, places: list[int]) -> Batch:
        rows = [self._ids[place] for place in places]
        shape = (len(rows), max(map(len, rows)))
        ids, mask = np.full(shape, self._engine.pad, np.int64), np.zeros(shape, np.int64)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        types: np.ndarray[Any, Any] | None = None
        if self._engine.takes_types:
            for row, place in enumerate(places):
                of_text = self._encodings[place].type_ids
                if any(of_text):
                    types = np.zeros(shape, np.int64) if types is None else types
                    types[row, : len(of_text)] = of_text
        return Batch(ids, mask, types)


def _alone(encoding: Encoded, engine: Engine) -> Batch:
    ids = np.array([encoding.ids], np.int64)
    types = encoding.type_ids if engine.takes_types else None
    return Batch(ids, np.ones(ids.shape, np.int64), np.array([types], np.int64) if types and any(types) else None)
