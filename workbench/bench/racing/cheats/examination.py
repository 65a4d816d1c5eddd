"""After the race: each contender is asked a few times more, for what a single result does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.bench.racing import check
from workbench.bench.racing.clock import Clock
from workbench.bench.racing.places import overlaps

from .freshness import remembers
from .leftovers import spares_itself
from .shapes import special_case

if TYPE_CHECKING:
    from workbench.bench.racing.runner import Runner

    from .shot import Shot, Window

_ASKED = 8
"""Calls on values in turn; fewer of a contender that takes long."""
_PATIENCE = 0.1
"""Seconds that they may take together, beyond the first."""

STALE = "returns the result of earlier values for new ones: it knows its input by where it is, or remembers"
REUSED = "hands out the same memory again: an earlier result changes when it is called the next time"


def examine(runner: Runner, clock: Clock, shot: Shot, windows: tuple[Window, ...]) -> str:
    """Return the first fault of a contender that is right otherwise, in words; empty if it has none.

    Parameters
    ----------
    runner, clock
        Who is asked, and by which clock.
    shot, windows
        What it returned last, on the plain values, and which elements were looked at.
    """
    return (
        _in_turns(runner, clock, shot, windows)
        or _lazy(runner, shot)
        or remembers(runner, clock)
        or spares_itself(runner, clock)
        or special_case(runner, clock)
    )


def _in_turns(runner: Runner, clock: Clock, previous: Shot, windows: tuple[Window, ...]) -> str:
    """Ask for other values and the plain ones in turn: for results that do not follow, or that change later."""
    course = runner.course
    first, others = course.contest.first, course.others
    for number in range(max(1, min(_ASKED, int(_PATIENCE / max(runner.a_call, 1e-9))))):
        question = others[number // 2 % len(others)] if others and number % 2 == 0 else first
        turn = course.plain(question, windows)
        try:
            shot = runner.ask(clock, turn)
        except Exception:
            if question.strict:
                raise
            return ""  # values that we made up, which it need not take
        if others and shot.same_as(previous) and course.answers_differ(first, others[0], windows):
            return STALE
        kept = runner.entry.out is None and not any(overlaps(array, turn.place) for array in previous.arrays)
        if kept and not previous.is_now(windows):
            return REUSED
        if question.strict:
            runner.judge(clock, shot)
            if runner.fault:
                return runner.fault
        previous = shot
    return ""


def _lazy(runner: Runner, shot: Shot) -> str:
    """Change the inputs between the call and the reading of what it returned."""
    course = runner.course
    foreign = next((leaf.foreign for leaf in shot.kinds if leaf.foreign), "")
    if not foreign or not course.others:
        return ""
    turn = course.plain()
    runner.fresh(turn)
    returned = runner.unread()
    course.plain(course.others[0])
    later = check.leaves(returned)
    if all(map(check.same_bits, later, shot.arrays)) or any(overlaps(array, turn.place) for array in later):
        return ""
    return f"returns no array but {foreign}, which computes only when it is read: return the array itself"
