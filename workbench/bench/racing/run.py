"""The course of a race: everyone prepared and checked, then timed in turns, then checked again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from workbench.bench.environment import STOLEN, Watch, environment, threads
from workbench.bench.progress import Reporter
from workbench.bench.race import Race
from workbench.bench.rooflines.copying import copied
from workbench.errors import RaceError
from workbench.text import format_seconds

from .clock import Clock
from .contest import Contest
from .course import Course
from .gpu_clock import GpuClock
from .rounds import Rounds
from .runner import Runner

TOO_SLOW = "did not race, since "
"""How `Race.absent` begins to say that a contender takes too long for the race."""


def race(
    contest: Contest,
    *,
    out: bool,
    budget: float,
    rounds: int | None,
    rng: np.random.Generator,
    seed: int,
    strict: bool,
    report: Reporter,
    interval: float = 0.0,
    cold: bool = False,
    patience: float = float("inf"),
) -> Race:
    """Race the field of a contest, within :meth:`Contest.current`, and return the record.

    Parameters
    ----------
    contest
        The question and the contenders.
    out, budget, rounds, seed, interval
        As in :func:`workbench.compare`.
    rng
        Draws the order of the turns.
    strict
        Whether a contender that fails is an error, and not merely absent.
    report
        Told where the race stands.
    cold
        Whether each call finds its arrays outside the caches.
    patience
        Seconds; who takes longer for one call has it named in ``absent`` and does not race.
    """
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    clock = Clock() if contest.device is None else GpuClock(contest.device, cold=cold)
    absent = dict(contest.absent)
    course = Course(contest, out=out, rng=np.random.default_rng([seed, len(contest.field)]), cold=cold)
    runners = _prepared(course, clock, strict=strict, absent=absent, report=report, patience=patience)
    course.begin(runner.entry.fixed for runner in runners)
    watch = Watch()
    turns = Rounds(runners, course, clock, watch, rng)
    turns.run(budget=budget, rounds=rounds, interval=interval, report=report)
    seen = watch.finish()
    if clock.counts_waiting:  # what others do is no disturbance where no thread had to wait for it
        seen["disturbed"] = turns.crowded > len(runners[0].seconds) / 10 or (seen["stolen"] or 0.0) > STOLEN
    conditions = {
        "began": began,
        "rounds": len(runners[0].seconds),
        "stopped": turns.stopped,
        "budget": budget,
        "seed": seed,
        "cache": "cold" if cold else "warm",
        "truth": contest.truth_from,
        "out": [runner.name for runner in runners if runner.entry.out is not None],
        "calls": {runner.name: runner.calls for runner in runners},
        "threads": threads(),
        **clock.conditions,
        "dropped": turns.dropped,
        "crowded": turns.crowded,
        "pace": round(turns.pace, 4),
        **seen,
    }
    if contest.device is not None:
        conditions["copy"] = copied(contest.device)
    if contest.op is not None:
        conditions["cost"] = asdict(contest.cost)
    for runner in runners:
        report.step("checking", runner.name)
        runner.check(clock)
    conditions["checks"] = course.checks()
    course.close()
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
    course: Course,
    clock: Clock,
    *,
    strict: bool,
    absent: dict[str, str],
    report: Reporter,
    patience: float,
) -> list[Runner]:
    """Return the contenders that are ready; one that fails is an error if it was named, else it is ``absent``."""
    contest, runners = course.contest, []
    for contender in contest.field:
        try:
            report.step("preparing", contender.name)
            runner = Runner(contender, course)
            report.step("checking", contender.name)
            runner.check(clock)
            a_call = runner.calibrate(clock)
        except RaceError as error:
            if strict or contest.op is None:
                raise
            absent[contender.name] = str(error)
        else:
            if a_call <= patience:
                runners.append(runner)
            else:
                absent[contender.name] = f"{TOO_SLOW}one call takes {format_seconds(a_call)}"
    if not runners:
        raise RaceError(f"No contender can race {contest.described}: {'; '.join(absent.values())}")
    return runners
