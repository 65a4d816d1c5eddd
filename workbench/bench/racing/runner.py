"""One contender on its way through a race: prepared, checked, timed, checked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from workbench.bench.contenders import Contender, Entry
from workbench.bench.devices import Captured
from workbench.bench.race import Beside, OnDevice, Result
from workbench.errors import RaceError

from . import check
from . import clock as clocks
from .cheats import kinds
from .cheats.examination import examine
from .cheats.shot import Shot
from .cheats.tampering import Witness
from .clock import Clock
from .cold import Rotation
from .course import Course, Turn

Done = TypeVar("Done")

_GLANCES, _GLANCE = 10, 0.005
"""How often, and how many seconds apart, a wrong result is looked at again: another thread may still be at work."""


class Runner:
    """A contender in the places of a course, and what was found and measured.

    Parameters
    ----------
    contender
        Who runs.
    course
        Where and on what.

    Raises
    ------
    workbench.errors.RaceError
        If the contender cannot be prepared.
    """

    def __init__(self, contender: Contender, course: Course) -> None:
        self.name = contender.name
        self.seconds: list[float] = []
        self.first_call: float | None = None
        self.calls = 1
        self.a_call = 0.0
        self.fault = ""
        self.course = course
        self._version = contender.version
        self._rotation: Rotation | None = None
        self._peak: int | None = None
        self._graph: Captured | str | None = None
        self._beside: list[Beside] = []
        self._error = 0.0
        self._shot: Shot | None = None
        self._unread: Entry
        self._turn = turn = course.plain()
        self.entry = self._step(
            "cannot be prepared",
            lambda: contender.prepare(course.contest.op, turn.place.inputs, turn.place.out),
        )

    def check(self, clock: Clock) -> None:
        """Call once on the plain values; compare all of the result with the truth, and the inputs with what they were.

        After the race the contender is examined, too, for what only a comparison of several calls shows.
        """
        first = self.first_call is None
        shot = self.ask(clock, self.course.plain())
        if first:
            self.first_call = shot.seconds
            wait = kinds.wait_for(shot) if self.course.contest.op is None else None
            self._unread, self.entry = self.entry, self.entry if wait is None else self.entry.waiting(wait)
        question, windows = self._turn.question, self._turn.windows
        self.accuse(kinds.fault_of(shot, self.course.contest.due))
        self.judge(clock, shot)
        found = check.compare_results(shot.arrays, question.truth, question.tolerance)
        if self.entry.out is not None and not found.fault:
            # A function may return a right array and leave the buffer that it was given unwritten.
            found = check.compare_results(self.entry.out, question.truth, question.tolerance)
            self.accuse(found.fault and f"{found.fault} of its out=")
        self._error = max(self._error, found.error)
        self.accuse(found.fault)
        if not self._turn.place.intact(question, self.course.rng, whole=True):
            self.fault = "changes its input"
        if not first and not self.fault:
            self.accuse(examine(self, clock, shot, windows))

    def unread(self) -> Any:
        """Call once, and return what was returned as it is."""
        entry = self._unread.rebind(self._turn.place.inputs, self._out(self._turn))
        with entry.around():
            return self._step("fails", entry.call)

    def calibrate(self, clock: Clock) -> float:
        """Find out what memory a call takes, and how many make a sample; return the seconds of one, roughly."""
        self._peak = self._step("fails", lambda: clock.peak(self.entry))
        self.calls, self.a_call = self._step("fails while it is timed", lambda: clock.calibrate(self.entry))
        self._graph = self._step("fails while it is captured", lambda: self._captured(clock))
        self._look_at_inputs(self._turn)
        cold = self.course.cold
        if cold is not None:
            self._rotation = self._step("cannot be bound", lambda: cold.rotation(self.entry))
            self.calls = min(self.calls, len(self._rotation))
        return self.a_call

    def fresh(self, turn: Turn) -> None:
        """Take this round's place and values."""
        self._turn = turn
        try:
            self.entry = self.entry.rebind(turn.place.inputs, self._out(turn))
        except (Exception, SystemExit) as error:
            raise self.failure("cannot be bound", error) from error

    def run(self, clock: Clock, tries: int = 1) -> None:
        """Add one sample, of so many tries at the most, and keep what its last call left."""
        try:
            self.seconds.append(self._sample(clock, tries))
        except (Exception, SystemExit) as error:
            if not self.course.stirs or self.course.contest.op is not None:
                raise self.failure("fails while it is timed", error) from error
            self.course.steady(f"no last bits moved, since {self.name} then fails ({type(error).__name__})")
            self.fresh(self.course.plain(self._turn.question))
            self.seconds.append(self._step("fails while it is timed", lambda: self._sample(clock, tries)))

    def inspect(self, clock: Clock) -> None:
        """Verify what the last sample left, and the inputs; parts of them where they are large."""
        shot, turn = self._shot, self._turn
        self._shot = None
        if shot is not None and not self.fault:
            self.judge(clock, shot)
            self.accuse(kinds.fault_of(shot, self.course.contest.due))
        beside = self._step("fails beside a sample", lambda: clock.beside(self.entry, self.calls, self._graph))
        self._beside += [] if beside is None else [beside]
        self._look_at_inputs(turn)

    def ask(self, clock: Clock, turn: Turn) -> Shot:
        """Call once in a turn, with poison in ``out=``, and return what the call left."""
        self.fresh(turn)
        check.poison(self.entry.out)
        seconds, shot = self._step("fails", lambda: clock.once(self.entry, self._keep))
        return replace(shot, seconds=seconds)

    def judge(self, clock: Clock, shot: Shot) -> None:
        """Accuse the contender if what stood in its result at the return is wrong, and nothing else explains that."""
        turn = self._turn
        fault = shot.judged(turn.question, turn.windows).fault
        if not fault or self.fault:
            return
        if self._comes_late(shot, turn):
            self.accuse("returns before its work is done: another thread writes the result after the clock has stopped")
        elif not turn.place.intact(turn.question, self.course.rng, whole=True):
            # Whoever changed them is found when all inputs are compared before and after the race.
            turn.place.renew(turn.question)
        elif turn.question.stirred and self._excused(shot, turn):
            self.course.steady(f"no last bits moved, since {self.course.contest.name} depends on them")
            again = self.ask(clock, self.course.plain(turn.question))
            self.judge(clock, again)
        else:
            self.accuse(self._remembered(shot, turn) or fault)

    def guarded(self, step: Callable[[], Done]) -> Done:
        """Take a step of the contender, and accuse it if it replaced what it must leave alone."""
        try:
            return step()
        finally:
            if replaced := self.course.guard.restore():
                self.accuse(f"replaces {' and '.join(replaced)}")

    def accuse(self, fault: str) -> None:
        """Keep a fault, if it is one and the first."""
        self.fault = self.fault or fault

    @property
    def result(self) -> Result:
        """What is kept of the run."""
        return Result(
            contender=self.name,
            version=self._version,
            seconds=tuple(self.seconds),
            first_call=self.first_call or 0.0,
            error=self._error,
            right=not self.fault,
            fault=self.fault,
            peak_bytes=self._peak,
            on_device=OnDevice.of(self._beside, self._graph if isinstance(self._graph, str) else ""),
        )

    def failure(self, what: str, error: BaseException) -> RaceError:
        """Return the error that says who failed, where and why."""
        reason = next(iter(str(error).splitlines()), "")
        return RaceError(f"{self.name} {what} on {self.course.contest.described}: {type(error).__name__}: {reason}")

    def _captured(self, clock: Clock) -> Captured | str | None:
        """Return the call as a graph on the memory of the first place, if a replay gives the right result."""
        graph, question = clock.captured(self.entry), self._turn.question
        if graph is None or isinstance(graph, str):
            return graph
        with self.entry.around():  # a tensor of torch's inference mode is written to in that mode only
            check.poison(graph.returned)
            graph.replay()
        clock.settle()
        fault = check.compare_results(self.entry.result(graph.returned), question.truth, question.tolerance).fault
        return f"a replay {fault}" if fault else graph

    def _look_at_inputs(self, turn: Turn) -> None:
        if not turn.place.intact(turn.question, self.course.rng):
            self.accuse("changes its input")
            turn.place.renew(turn.question)

    def _comes_late(self, shot: Shot, turn: Turn) -> bool:
        """Wait a little, and tell whether the result has become right meanwhile."""
        due, tolerance = check.leaves(turn.question.truth), turn.question.tolerance
        for _ in range(_GLANCES):
            clocks.pause(_GLANCE)
            now = check.leaves(self.entry.out) if shot.written else shot.arrays
            if not check.compare_results(now, due, tolerance).fault:
                return bool(shot.judged(turn.question, turn.windows).fault)
        return False

    def _excused(self, shot: Shot, turn: Turn) -> bool:
        """Tell whether a wrong result on stirred values may be right: always on the user's, else by the reference."""
        if self.course.contest.op is None:
            return True
        return not shot.judged(turn.question, turn.windows, turn.question.truth_now()).fault

    def _remembered(self, shot: Shot, turn: Turn) -> str:
        """Name a result that is right for other values than were asked for."""
        others = [other for other in [self.course.contest.first, *self.course.others] if other is not turn.question]
        if any(other.answered and not shot.judged(other, turn.windows).fault for other in others):
            return "returns the result of earlier values for new ones: it knows its input by where it is, or remembers"
        return ""

    def _sample(self, clock: Clock, tries: int) -> float:
        witness = Witness(clocks.now)
        seconds = self.guarded(
            lambda: clock.sample(
                self.entry,
                self.calls,
                rotation=self._rotation,
                tries=tries,
                before_last=self._poison,
                keep=self._keep_last,
            )
        )
        if witness.disagrees():
            self.accuse("disturbs the clock: a second one tells another time for its work")
        return seconds

    def _poison(self) -> None:
        for window, buffer in zip(self._turn.windows, check.leaves(self.entry.out), strict=False):
            window.poison(buffer)

    def _keep(self, returned: Any) -> Shot:
        return Shot.take(self.entry.result(returned), self.entry.out, self._turn.windows)

    def _keep_last(self, returned: Any) -> None:
        self._shot = self._keep(returned)

    def _out(self, turn: Turn) -> Any:
        return None if self.entry.out is None else turn.place.out

    def _step(self, what: str, step: Callable[[], Done]) -> Done:
        try:
            return self.guarded(step)
        except RaceError:
            raise
        except (Exception, SystemExit) as error:  # who ends the process ends the race for himself
            raise self.failure(what, error) from error
