"""Results that are remembered by content: right for every content, and far slower on what was never seen.

Calls on new content are compared with calls on the content of the call before, in pairs; the same is written to the
inputs before either, so that the caches of the CPU are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.bench.racing.clock import Clock
from workbench.bench.racing.questions import Question

if TYPE_CHECKING:
    from workbench.bench.racing.runner import Runner

TRIES = 3
"""Tries that must all say the same; an honest contender passes the first one almost always."""
_LEAST_PAIRS, _MOST_PAIRS = 3, 25
_PATIENCE = 0.03
"""Seconds that the calls of a try may take together, beyond the fewest pairs."""
_LONG = 0.005
"""Seconds of a call from which on one pair that shows nothing is enough."""
_SLOWER = 2.0
"""Times that a call on unseen values must take longer to be told apart from one that does the work each time."""
_REACH = 1000
"""Units in the last place by which values are moved, so that content hardly ever comes again."""


def remembers(runner: Runner, clock: Clock) -> str:
    """Return in words that a contender is much slower on values that it has not seen; empty if it is not."""
    question = runner.course.contest.first
    if runner.course.contest.device is not None and not runner.course.stirs:
        return ""
    try:
        ratio = min(_slowdown(runner, clock, question) for _ in range(TRIES)) if _tried(runner, clock) else 0.0
    except Exception:  # it need not take values that we made up
        ratio = 0.0
    finally:
        question.restore()
    return f"takes {ratio:.0f} times as long on values that it has not seen: it remembers results" if ratio else ""


def _tried(runner: Runner, clock: Clock) -> bool:
    """Make the first try, which is the last one for whom it acquits."""
    return _slowdown(runner, clock, runner.course.contest.first) > 0


def _slowdown(runner: Runner, clock: Clock, question: Question) -> float:
    """Return how many times longer a call on unseen values takes; 0 where that is not clear."""
    course = runner.course
    pairs = pairs_of(runner.a_call)
    times: dict[bool, list[float]] = {False: [], True: []}
    turn = course.plain(question)
    if not question.stir(course.rng, course.fixed, reach=_REACH):
        return 0.0
    clock.settle()
    for number in range(2 * pairs + 1):
        unseen = number % 2 == 0
        seen = question.stirred
        question.stir(course.rng, course.fixed, reach=_REACH)
        question.put(question.stirred if unseen else seen, course.fixed)
        turn.place.load(question, course.fixed)
        runner.fresh(turn)
        times[unseen].append(clock.once(runner.entry)[0])
        if number == 2 and runner.a_call > _LONG and times[True][1] < _SLOWER / 1.5 * times[False][0]:
            return 0.0
    return times_as_long(times[True][1:], times[False])  # the very first one wakes everything up


def pairs_of(a_call: float) -> int:
    """Return how many pairs of calls a try may have, of which one takes so many seconds."""
    return int(np.clip(_PATIENCE / 2 / max(a_call, 1e-9), _LEAST_PAIRS, _MOST_PAIRS))


def times_as_long(some: Sequence[float], others: Sequence[float]) -> float:
    """Return how many times longer some calls take than others; 0 where that is little, or not clear."""
    new, old = np.asarray(some), np.asarray(others)
    ratio = float(np.median(new) / np.median(old))
    apart = np.percentile(new, 25) > 1.3 * np.percentile(old, 75) and np.median(new) - np.median(old) > 1e-6
    return ratio if ratio >= _SLOWER and apart else 0.0
