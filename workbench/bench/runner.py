"""One contender on its way through a race: prepared, checked, timed, checked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from workbench.errors import RaceError

from . import check
from .clock import Clock
from .contenders import Contender
from .contest import Contest
from .memory import buffers, own_copies
from .race import Result

Timed = TypeVar("Timed")


class Runner:
    """A contender with its own copies of the inputs, its own buffer, and what was found and measured.

    Parameters
    ----------
    contender, contest
        Who runs, and what.
    out
        Whether to write into a preallocated buffer, where the contender can.

    Raises
    ------
    workbench.errors.RaceError
        If the contender cannot be prepared.
    """

    def __init__(self, contender: Contender, contest: Contest, *, out: bool) -> None:
        self.name = contender.name
        self.seconds: list[float] = []
        self.first_call: float | None = None
        self.calls = 1
        self._version = contender.version
        self._contest = contest
        self._error = 0.0
        self._fault = ""
        buffer = buffers(contest.expected) if out else None
        try:
            self.entry = contender.prepare(contest.op, own_copies(contest.inputs), buffer)
        except Exception as error:
            raise self.failure("cannot be prepared", error) from error

    def check(self, clock: Clock) -> None:
        """Call once and compare the result with the truth and the inputs with what they were."""
        check.poison(self.entry.out)
        try:
            seconds, returned = clock.once(self.entry)
            result = self.entry.result(returned)
        except Exception as error:
            raise self.failure("fails", error) from error
        if self.first_call is None:
            self.first_call = seconds
        found = check.compare_results(result, self._contest.truth, self._contest.tolerance)
        if self.entry.out is not None and not found.fault:
            # A function may return a right array and leave the buffer that it was given unwritten.
            found = check.compare_results(self.entry.out, self._contest.truth, self._contest.tolerance)
            self._fault = self._fault or (found.fault and f"{found.fault} of its out=")
        self._error = max(self._error, found.error)
        self._fault = self._fault or found.fault
        if check.changed(self.entry.inputs, self._contest.inputs):
            self._fault = "changes its input"

    def calibrate(self, clock: Clock) -> float:
        """Find out how many calls make a sample; return the seconds that one takes, roughly."""
        self.calls, a_call = self._timed(lambda: clock.calibrate(self.entry))
        return a_call

    def run(self, clock: Clock) -> None:
        """Add one sample."""
        self.seconds.append(self._timed(lambda: clock.sample(self.entry, self.calls)))

    @property
    def result(self) -> Result:
        """What is kept of the run."""
        return Result(
            contender=self.name,
            version=self._version,
            seconds=tuple(self.seconds),
            first_call=self.first_call or 0.0,
            error=self._error,
            right=not self._fault,
            fault=self._fault,
        )

    def failure(self, what: str, error: Exception) -> RaceError:
        """Return the error that says who failed, where and why."""
        reason = next(iter(str(error).splitlines()), "")
        return RaceError(f"{self.name} {what} on {self._contest.described}: {type(error).__name__}: {reason}")

    def _timed(self, step: Callable[[], Timed]) -> Timed:
        try:
            return step()
        except Exception as error:
            raise self.failure("fails while it is timed", error) from error
