"""Texts of different length together, each answered as it is alone; whether an architecture can is tried, not believed.

Most attend to what the mask shows alone. Some have no mask (FNet), some look beside a token or at the last place,
whatever stands there (ConvBERT, the summary of XLNet): what they give for a text depends on the padding behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import Batch, Engine

_TOLERANCE, _HALF, _INT8 = 1e-3, 3e-2, 0.05
"""What rounding may make of a text's largest value: in float32, elsewhere than on a CPU, and with int8 weights."""
_LEAST = 0.1
"""Of smaller values as much is let pass as of this one."""


def together(engine: Engine, batch: Batch) -> np.ndarray[Any, Any]:
    """Compute a batch so that each text gets what it would get alone.

    The first batch with padding says whether the engine does that by itself: its shortest text is computed once more,
    alone. If not, texts are computed one by one from then on, and ``why`` says so.

    Parameters
    ----------
    engine
        What computes; ``heeds_padding`` is None where that is not known yet.
    batch
        As :meth:`~workbench.pipelines.engines.engine.Engine.forward` takes it.

    Returns
    -------
    numpy.ndarray
        As of ``forward``; what stands at padding means nothing.
    """
    lengths = batch.mask.sum(axis=1)
    if engine.heeds_padding or lengths.min() == batch.mask.shape[1]:
        return engine.forward(batch)
    if engine.heeds_padding is None:
        output = engine.forward(batch)
        shortest = int(lengths.argmin())
        if _alike(engine, output[shortest], _alone(engine, batch, shortest)):
            if engine.heeds_padding is None:  # another lane may have found by now that it does not
                engine.heeds_padding = True
            return output
        if engine.heeds_padding is not False:
            engine.heeds_padding, engine.tokens_at_once = False, 1
            engine.why += ", one text at a time, since padding changes what this architecture gives"
    rows = [_alone(engine, batch, row) for row in range(len(lengths))]
    shape = (batch.mask.shape[1], *rows[0].shape[1:]) if rows[0].ndim > 1 else rows[0].shape
    output = np.zeros((len(rows), *shape), np.float32)
    for place, row in enumerate(rows):
        output[place, : len(row)] = row
    return output


def _alone(engine: Engine, batch: Batch, row: int) -> np.ndarray[Any, Any]:
    """Return what the engine gives for one text without padding."""
    one = slice(row, row + 1), slice(int(batch.mask[row].sum()))
    ids, mask, types = (
        None if part is None else np.ascontiguousarray(part[one]) for part in (batch.ids, batch.mask, batch.types)
    )
    assert ids is not None and mask is not None
    result: np.ndarray[Any, Any] = engine.forward(Batch(ids, mask, types))[0]
    return result


def _alike(engine: Engine, padded: np.ndarray[Any, Any], alone: np.ndarray[Any, Any]) -> bool:
    tolerance = _INT8 if engine.quantization else _TOLERANCE if engine.device == "cpu" else _HALF
    apart = np.abs(padded[: len(alone)] - alone).max()
    return bool(apart <= tolerance * max(float(np.abs(alone).max()), _LEAST))
