"""A special case for one shape: right for the inputs of the race, and wrong with fewer rows of them.

Two heights are tried, the half and one row less, and who is right at either of them is no special case: a function may
need an even number of rows, say. Nor is who raises, or returns the shape that it was made for. The inputs are the
upper rows of arrays that go on below, so that compiled code that counts on all rows reads no foreign memory. On a GPU
nobody is asked, since a kernel there that reads beyond its arrays takes the process with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels.catalog import Inputs
from workbench.bench.racing import check
from workbench.bench.racing.clock import Clock
from workbench.bench.racing.contest import Contest
from workbench.bench.racing.memory import Slot, Slots, buffers, own_copies, slots_of

if TYPE_CHECKING:
    from workbench.bench.racing.runner import Runner

_AFFORDABLE = 0.02
"""Seconds that the truth for fewer rows may take."""
_COMPILES = 0.5
"""Seconds of the first call from which on a contender may have to compile for each shape, and is left alone."""


def special_case(runner: Runner, clock: Clock) -> str:
    """Return in words that a contender is wrong with fewer rows; empty if it is not, or if nothing can be said."""
    contest = runner.course.contest
    arrays = [value for value in contest.inputs.values() if np.ndim(value)]
    if contest.device is not None or not runner.entry.elastic or not arrays or (runner.first_call or 0.0) > _COMPILES:
        return ""
    rows, faults = len(arrays[0]), []
    for height in _heights(rows, contest.truth_seconds):
        try:
            faults.append(_fault(runner, clock, _cut(contest, rows, height, runner), rows))
        except Exception:  # the reference or the contender is not made for this, or both
            return ""
    if len(faults) < 2 or not all(faults):
        return ""
    return f"is right for the shape of this race only: with one row less of its inputs it {faults[-1]}"


def _heights(rows: int, seconds: float) -> list[int]:
    half = rows // 2
    while half > 2 and seconds * half / rows > _AFFORDABLE:
        half //= 2
    below = rows - 1 if seconds <= _AFFORDABLE else half - 1
    return [half, below] if 0 < half != below > 0 else []


def _cut(contest: Contest, rows: int, height: int, runner: Runner) -> Inputs:
    if contest.op is not None and contest.sampled:
        return contest.op.sample((height, *contest.shape[1:]), np.dtype(contest.dtype), runner.course.rng)
    return {
        name: value[:height] if np.ndim(value) and len(value) == rows else value
        for name, value in own_copies(contest.inputs).items()
    }


def _fault(runner: Runner, clock: Clock, inputs: Inputs, rows: int) -> str:
    contest = runner.course.contest
    plain = contest.plain(inputs)
    question = contest.question(inputs, strict=False)
    truth = check.leaves(question.truth)
    if not all(np.isfinite(leaf).all() for leaf in truth) or not all(leaf.size for leaf in truth):
        return ""
    slots = slots_of(plain)
    out = None if runner.entry.out is None else _upper(contest.expected, slots, rows)
    entry = runner.entry.rebind(inputs, out)
    result = runner.guarded(lambda: clock.once(entry, entry.result))[1]
    given = check.leaves(result)
    if [leaf.shape for leaf in given] != [leaf.shape for leaf in truth]:
        return ""
    return check.compare_results(given, truth, question.tolerance).fault


def _upper(full: Slots, needed: Slots, rows: int) -> Any:
    """Return buffers for fewer rows, which go on below as the inputs do."""
    if isinstance(full, tuple) and isinstance(needed, tuple):
        return tuple(_upper(one, other, rows) for one, other in zip(full, needed, strict=True))
    if isinstance(full, Slot) and isinstance(needed, Slot) and full.shape[0] == rows:
        return buffers(full)[: needed.shape[0]]
    return buffers(needed)
