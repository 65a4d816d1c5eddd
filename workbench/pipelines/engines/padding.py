"""Texts of different length together, each answered as it is alone; whether an architecture can is tried, not believed.

Most attend to what the mask shows alone. Some have no mask (FNet), some look beside a token or at the last place,
whatever stands there (ConvBERT, the summary of XLNet): what they give for a text depends on the padding behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import Batch, Engine

_TOLERANCE, _HALF = 1e-3, 3e-2
"""What rounding may make of a text's largest value: in float32, and elsewhere than on a CPU."""
_LEAST = 0.1
"""Of smaller values as much is let pass as of this one."""


def together(engine: Engine, batch: Batch) -> np.ndarray[Any, Any]:
    """Compute a batch so that each text gets what it would get alone.

    Parameters
    ----------
    engine
        What computes; where ``heeds_padding`` is None the first batch with padding finds it out.
    batch
        As :meth:`~workbench.pipelines.engines.engine.Engine.forward` takes it.

    Returns
    -------
    numpy.ndarray
        As of ``forward``; what stands at padding means nothing.
    """
    padded = not engine.heeds_padding and batch.lengths.min() < batch.mask.shape[1]
    if padded and engine.heeds_padding is None:
        one_by_one(engine, needed=not heeds_padding(engine, batch))
    if engine.heeds_padding or not padded:
        return engine.forward(batch)
    rows = [engine.forward(batch.of([row]))[0] for row in range(len(batch.mask))]
    shape = (batch.mask.shape[1], *rows[0].shape[1:]) if rows[0].ndim > 1 else rows[0].shape
    output = np.zeros((len(rows), *shape), np.float32)
    for place, row in enumerate(rows):
        output[place, : len(row)] = row
    return output


def heeds_padding(engine: Engine, batch: Batch) -> bool:
    """Tell whether an engine gives the shortest text of a batch beside the longest what it gives that text alone.

    Its weights are in float: with int8 the ranges of what they are multiplied with depend on all texts of a batch.
    """
    lengths = batch.lengths
    shortest, longest = int(lengths.argmin()), int(lengths.argmax())
    alone, beside = (engine.forward(batch.of(rows))[0] for rows in ([shortest], [shortest, longest]))
    tolerance = _TOLERANCE if engine.device == "cpu" else _HALF
    return bool(np.abs(beside[: len(alone)] - alone).max() <= tolerance * max(float(np.abs(alone).max()), _LEAST))


def one_by_one(engine: Engine, *, needed: bool) -> None:
    """Let an engine compute texts one by one, if needed, and say so; of two threads that differ, one needs it."""
    if needed and engine.heeds_padding is not False:
        engine.heeds_padding, engine.tokens_at_once = False, 1
        engine.why += ", one text at a time, since padding changes what this architecture gives"
    elif engine.heeds_padding is None:
        engine.heeds_padding = True
