"""``wb.compare``: race contenders on one operation, check their results, and return the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from workbench.errors import InputError, RaceError

from . import contest as contests
from .clock import SAMPLE, SETTLE_LIMIT, WARM_UP, Clock
from .contest import Contest
from .environment import Watch, environment, threads
from .progress import Progress, Report
from .race import Race
from .runner import Runner

MIN_ROUNDS = 7
_REPORTS_APART = 0.25  # seconds; whoever draws them needs a core for a moment, and the race needs all of them


def compare(
    op: str | Mapping[str, Callable[..., Any]],
    *,
    shape: Any = None,
    dtype: Any = "float32",
    contenders: Iterable[str] | None = None,
    inputs: Any = None,
    reference: str | None = None,
    out: bool = True,
    budget: float = 3.0,
    rounds: int | None = None,
    seed: int = 0,
    progress: Report | None = None,
) -> Race:
    """Race contenders on one operation and return the record.

    All compute the same thing in turns, in a new random order each round, so that what disturbs the machine disturbs
    all. Each result is checked before and after against the truth in float64, and each input for having been changed.

    Parameters
    ----------
    op
        Name of an operation of the catalogue, or functions by name: ``{"mine": f, "theirs": g}``.
    shape
        Of the sample inputs: ``(512, 768)`` or ``"512x768"``; the operation's first one if None.
    dtype
        Of the sample inputs.
    contenders
        Names out of numba, numpy, torch, onnxruntime; all that can run if None.
    inputs
        Arrays to race on instead of a sample: by name for an operation, for functions a dict (by name) or a tuple.
    reference
        For functions: whose result on float64 inputs is the truth; the first one's if None. Where it does not take
        float64, its own result is.
    out
        Write into a preallocated ``out=``, those that can; ``race.conditions["out"]`` says who did.
    budget
        Seconds of racing, on top of preparing and checking. At least 7 rounds are run.
    rounds
        Run exactly so many rounds, whatever the time.
    seed
        Of the sample inputs and the order of the turns.
    progress
        Called with a :class:`~workbench.bench.progress.Progress` a few times a second.

    Raises
    ------
    workbench.errors.InputError
        For an unknown operation, contender, shape or dtype.
    workbench.errors.MissingLibraryError
        If a contender is named whose library is not installed.
    workbench.errors.RaceError
        If a contender that was named, or a function, fails.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 1000)
    >>> race = compare({"power": lambda x: x**3, "product": lambda x: x * x * x}, inputs=(x,), budget=0)
    >>> race.conditions["rounds"] >= 7, race["product"].right
    (True, True)
    """
    if isinstance(contenders, Mapping):
        raise InputError("contenders= takes names; functions race with compare({name: function, ...}, inputs=(x,)).")
    if contenders is not None and not isinstance(contenders, Iterable):
        raise InputError(f"contenders= takes a list of names; got {contenders!r}.")
    if not isinstance(budget, Real) or not 0 <= budget < float("inf") or (rounds is not None and rounds < 1):
        raise InputError(
            f"A race needs a budget in seconds and at least one round; got budget={budget!r}, rounds={rounds}."
        )
    rng = np.random.default_rng(seed)
    report = _Reporter(progress, budget)
    report.step("preparing", None)
    if isinstance(op, str):
        contest = contests.of_operation(op, shape=shape, dtype=dtype, names=contenders, inputs=inputs, rng=rng)
    elif isinstance(op, Mapping):
        contest = contests.of_functions(op, inputs=inputs, reference=reference)
    else:
        raise InputError(f"compare takes the name of an operation or {{name: function}}; got {type(op).__name__}.")
    clock = Clock()
    absent = dict(contest.absent)
    runners = _prepared(contest, clock, out=out, strict=contenders is not None, absent=absent, report=report)
    watch = Watch()
    _race(runners, clock, budget=budget, rounds=rounds, rng=rng, report=report)
    conditions = {
        "rounds": len(runners[0].seconds),
        "budget": budget,
        "seed": seed,
        "method": (
            f"in turns, random order; before each sample all threads asleep (at most {SETTLE_LIMIT * 1e3:g} ms) and "
            f"{WARM_UP * 1e3:g} ms of warm-up; a sample of at least {SAMPLE * 1e3:g} ms; ratios by round, bootstrap"
        ),
        "cache": "warm",
        "truth": contest.truth_from,
        "out": [runner.name for runner in runners if runner.entry.out is not None],
        "calls": {runner.name: runner.calls for runner in runners},
        "threads": threads(),
        "unsettled": clock.unsettled,
        **watch.finish(),
    }
    for runner in runners:
        report.step("checking", runner.name)
        runner.check(clock)
    return Race(
        op=contest.name,
        shape=tuple(contest.shape),
        dtype=contest.dtype,
        results=tuple(sorted((runner.result for runner in runners), key=lambda result: result.median)),
        absent=absent,
        conditions=conditions,
        environment=environment(),
    )


def _prepared(
    contest: Contest, clock: Clock, *, out: bool, strict: bool, absent: dict[str, str], report: _Reporter
) -> list[Runner]:
    """Return the contenders that are ready; one that fails is an error if it was named, else it is ``absent``."""
    runners = []
    for contender in contest.field:
        try:
            report.step("preparing", contender.name)
            runner = Runner(contender, contest, out=out)
            report.step("checking", contender.name)
            runner.check(clock)
            runner.calibrate(clock)
        except RaceError as error:
            if strict or contest.op is None:
                raise
            absent[contender.name] = str(error)
        else:
            runners.append(runner)
    if not runners:
        raise RaceError(f"No contender can race {contest.described}: {'; '.join(absent.values())}")
    return runners


def _race(
    runners: list[Runner],
    clock: Clock,
    *,
    budget: float,
    rounds: int | None,
    rng: np.random.Generator,
    report: _Reporter,
) -> None:
    start = time.perf_counter()
    done, wanted = 0, rounds or MIN_ROUNDS
    while done < wanted:
        for place in rng.permutation(len(runners)):
            runner = runners[int(place)]
            report.turn(runner.name, done, wanted, time.perf_counter() - start)
            runner.run(clock)
        done += 1
        if rounds is None:
            a_round = (time.perf_counter() - start) / done
            wanted = max(MIN_ROUNDS, int(budget / a_round))


class _Reporter:
    """Hands out progress, seldom enough not to disturb what it reports on."""

    def __init__(self, progress: Report | None, budget: float) -> None:
        self._progress = progress
        self._budget = budget
        self._last = -float("inf")

    def step(self, stage: Any, contender: str | None) -> None:
        if self._progress is not None:
            self._progress(Progress(stage, contender, 0, 0, self._budget))

    def turn(self, contender: str, done: int, wanted: int, elapsed: float) -> None:
        now = time.perf_counter()
        if self._progress is None or now - self._last < _REPORTS_APART:
            return
        self._last = now
        left = elapsed / done * (wanted - done) if done else max(self._budget - elapsed, 0.0)
        self._progress(Progress("racing", contender, done + 1, wanted, left))
