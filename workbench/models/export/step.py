"""Where an export or a quantisation stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One report, as a step begins.

    Parameters
    ----------
    text
        What begins now: ``"tracing"``, ``"checking batch 3, sequence 16"``.
    fraction
        Share that is done, 0 to 1, roughly in time.
    """

    text: str
    fraction: float

    def __str__(self) -> str:
        return self.text


Report = Callable[[Step], object]


def nobody(step: Step) -> None:
    """Take reports that nobody asked for."""


def part(report: Report, begin: float, end: float) -> Report:
    """Return what takes the reports of a part of the work that goes from one fraction to another."""
    return lambda step: report(Step(step.text, begin + (end - begin) * step.fraction))
