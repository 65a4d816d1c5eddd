"""One race among several: who fails or is too slow is absent, and the others go on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.bench.progress import Report, Reporter
from workbench.bench.race import Race

from .contest import Contest
from .run import race


def single(
    ask: Callable[[np.random.Generator], Contest],
    *,
    out: bool,
    budget: float,
    seed: int,
    patience: float,
    progress: Report | None,
) -> Race:
    """Race one contest, in which a contender that fails or is too slow is absent.

    Parameters
    ----------
    ask
        Makes the contest; what it draws comes from the generator that it is given.
    out, budget, seed, progress
        As in :func:`workbench.compare`.
    patience
        Seconds that one call may take.

    Raises
    ------
    workbench.errors.WorkbenchError
        If there is no contest, or nobody who can race it.
    """
    rng = np.random.default_rng(seed)
    report = Reporter(progress, budget)
    report.step("preparing", None)
    contest = ask(rng)
    with contest.current():
        return race(
            contest,
            out=out,
            budget=budget,
            rounds=None,
            rng=rng,
            seed=seed,
            strict=False,
            report=report,
            patience=patience,
        )
