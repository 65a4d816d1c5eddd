"""The cells of a suite, raced in one process: an operation at several shapes and dtypes, with ``out=`` and without."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS
from workbench.bench.contenders import ALL
from workbench.bench.progress import Report
from workbench.bench.race import Race
from workbench.bench.racing.contest import Contest, of_operation
from workbench.bench.racing.single import single
from workbench.errors import WorkbenchError

PATIENCE = 0.5
"""Seconds; who takes longer for one call at some shape, as a gelu of NumPy at 64 MB, does not hold up all others."""


def run(
    *,
    op: str,
    cells: Iterable[tuple[Sequence[int], str, bool, Sequence[str]]],
    contenders: str | Iterable[str] | None = ALL,
    budget: float = 1.0,
    seed: int = 0,
    progress: Report | None = None,
) -> Iterator[Race | str]:
    """Yield the race of each cell, or in words why there is none.

    Parameters
    ----------
    op
        Name of the operation.
    cells
        A shape, a dtype, whether to write into ``out=``, and which inputs of the sample to leave out. Inputs and truth
        are made once for neighbours that differ in ``out=`` only.
    contenders, budget, seed, progress
        As in :func:`workbench.compare`; contenders that fail are absent.
    """
    known: dict[object, Contest] = {}

    def ask(rng: np.random.Generator) -> Contest:
        if cell not in known:
            known.clear()  # so that there is never room for two
            inputs = _without(op, shape, dtype, without, rng) if without else None
            known[cell] = of_operation(op, shape=shape, dtype=dtype, names=contenders, inputs=inputs, rng=rng)
        return known[cell]

    for shape, dtype, out, without in cells:
        cell = (tuple(shape), dtype, tuple(without))
        try:
            yield single(ask, out=out, budget=budget, seed=seed, patience=PATIENCE, progress=progress)
        except (WorkbenchError, MemoryError) as error:
            yield str(error) or type(error).__name__


def _without(
    op: str, shape: Sequence[int], dtype: str, without: Sequence[str], rng: np.random.Generator
) -> dict[str, Any]:
    """Return an operation's sample with some of its inputs left out."""
    sample = OPS[op].sample(tuple(shape), np.dtype(dtype), rng)
    return {name: value for name, value in sample.items() if name not in without}


def first_result(op: str) -> float:
    """Return the seconds that this process needs for its first result: Numba's import, the compiling, the call."""
    found = OPS[op]
    inputs = found.sample(found.shapes[0], np.dtype(np.float32), np.random.default_rng(0))
    begin = time.perf_counter()
    found.function(**inputs)
    return time.perf_counter() - begin
