"""Races the cells of a suite, each operation in a process of its own, so that a crash costs one cell.

What is done is kept when the suite is cancelled.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.bench.contenders import ALL
from workbench.bench.process import work_in_child
from workbench.bench.progress import Progress, SuiteProgress
from workbench.bench.race import Race
from workbench.bench.rooflines.ceilings import Ceilings
from workbench.errors import InputError, RaceError
from workbench.text import did_you_mean

from .plans import PLANS
from .suite import Cell, Start, Suite


def run(
    name: str,
    ops: Iterable[str] = (),
    *,
    contenders: str | Iterable[str] | None = None,
    budget: float | None = None,
    seed: int = 0,
    progress: Callable[[SuiteProgress], object] | None = None,
) -> Iterator[Suite]:
    """Race the cells of a suite, and yield what is found so far after each step.

    The last one that was yielded is what is kept when the caller stops.

    Parameters
    ----------
    name
        Of the suite: ``"kernels"``, ``"headlines"`` or ``"quick"``.
    ops
        Names of operations; all that the suite has if there are none.
    contenders
        As in :func:`workbench.compare`; those of the suite if None.
    budget
        Seconds of racing for each cell, on top of preparing and checking; the suite's if None.
    seed
        Of the sample inputs and the orders of the turns.
    progress
        Called a few times a second.

    Raises
    ------
    workbench.errors.InputError
        For an unknown suite, or an operation that it does not have.
    """
    if name not in PLANS:
        raise InputError(f"There is no suite {name!r}.{did_you_mean(name, PLANS)} There are: {', '.join(PLANS)}.")
    plan = PLANS[name]
    cells = {op: plan.cells(op) for op in _chosen(name, plan.ops(), list(dict.fromkeys(ops)))}
    running = _Run(name, sum(map(len, cells.values())), progress)
    asked = plan.contenders if contenders is None else contenders
    options = {
        "contenders": list(asked) if isinstance(asked, Iterable) and asked != ALL else asked,
        "budget": plan.budget if budget is None else budget,
        "seed": seed,
    }
    if plan.limits:
        running.measure_ceilings()
    yield running.suite
    for op_cells in cells.values():
        for cell in _raced(op_cells, options, running):
            running.cells.append(cell)
            yield running.suite
    if plan.limits:
        running.measure_ceilings()
        for op in cells:
            running.say(f"{op}: first and second start")
            running.starts.append(_start(op))
            yield running.suite


def _chosen(name: str, known: list[str], ops: list[str]) -> list[str]:
    for op in ops:
        if op not in known:
            hint = did_you_mean(op, known)
            raise InputError(f"There is no operation {op!r} in the suite {name}.{hint} It has: {', '.join(known)}.")
    return ops or known


@dataclass
class _Run:
    """A suite that grows."""

    name: str
    planned: int
    progress: Callable[[SuiteProgress], object] | None
    cells: list[Cell] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    ceilings: Ceilings | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def suite(self) -> Suite:
        return Suite(tuple(self.cells), tuple(self.starts), self.ceilings, self.planned, self.name)

    def measure_ceilings(self) -> None:
        """Measure them, before the races and after: other programs may have disturbed one of the two."""
        self.say("ceilings of this machine")
        with closing(work_in_child("ceilings", {})) as messages:
            found = Ceilings.from_dict(next(messages)["ceilings"])
        self.ceilings = found if self.ceilings is None else found.or_higher(self.ceilings)

    def say(self, what: str) -> None:
        if self.progress is not None:
            done = len(self.cells)
            left = (time.perf_counter() - self.began) / done * (self.planned - done) if done else None
            self.progress(SuiteProgress(done, self.planned, what, left))


def _raced(cells: list[Cell], options: dict[str, Any], run: _Run) -> Iterator[Cell]:
    """Yield an operation's cells, raced in a child process; where one dies, the next cell gets another."""
    left = list(cells)
    while left:
        order = {
            "op": left[0].op,
            "cells": [(cell.shape, cell.dtype, cell.out, cell.without) for cell in left],
            **options,
        }

        def report(step: Progress) -> None:
            run.say(f"{left[0]}: {step}")

        try:
            with closing(work_in_child("cells", order, progress=report)) as messages:
                for message in messages:
                    yield _finished(left.pop(0), message)
                    if left:
                        run.say(str(left[0]))
        except RaceError as error:
            yield _finished(left.pop(0), {"failure": next(iter(str(error).splitlines()), "")})


def _finished(cell: Cell, message: Mapping[str, Any]) -> Cell:
    if "race" in message:
        return replace(cell, race=Race.from_dict(message["race"]))
    return replace(cell, failure=message["failure"])


def _start(op: str) -> Start:
    with tempfile.TemporaryDirectory() as cache:
        first, second = (
            message["start"]
            for _ in range(2)
            for message in work_in_child("start", {"op": op}, environment={"NUMBA_CACHE_DIR": cache})
        )
    return Start(op, first, second)
