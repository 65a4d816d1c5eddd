"""All operations of the catalogue, at all their shapes, against everyone: the table that tells what is faster and not.

Which cells an operation has, its own entry in the catalogue says. Each operation races in a process of its own, so that
a crash costs one cell, and what is done is kept when the suite is cancelled.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Cost
from workbench.errors import InputError, RaceError
from workbench.text import did_you_mean, format_sizes

from .ceilings import Ceilings
from .contenders import ALL
from .memory import slots_of
from .process import work_in_child
from .progress import Progress, SuiteProgress
from .race import Race, Ratio

OURS = "numba"


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    Parameters
    ----------
    op, shape, dtype
        What is raced, and on what.
    out
        Whether those that can write into a preallocated array.
    race
        The record; None where there is none.
    failure
        Why there is none.
    """

    op: str
    shape: tuple[int, ...]
    dtype: str
    out: bool
    race: Race | None = None
    failure: str = ""

    @property
    def ratios(self) -> dict[str, Ratio]:
        """How many times faster ours is than each other contender that is right; empty if ours is not."""
        if self.race is None:
            return {}
        right = [result.contender for result in self.race.results if result.right]
        if OURS not in right:
            return {}
        return {name: self.race.speedup(OURS, over=name) for name in right if name != OURS}

    @property
    def losses(self) -> list[str]:
        """Contenders that are faster than ours: the whole interval of the ratio lies below 1."""
        return [name for name, ratio in self.ratios.items() if ratio.high < 1]

    def __str__(self) -> str:
        """Return the cell in words, such as ``softmax 512 x 768 float32, out=``."""
        return f"{self.op} {format_sizes(self.shape)} {self.dtype}, {'out=' if self.out else 'new result'}"


@dataclass(frozen=True)
class Start:
    """Seconds until the first result of an operation in a fresh process, Numba's import included.

    Parameters
    ----------
    op
        Name of the operation, at its first shape in float32.
    first
        With an empty cache: the kernels are compiled.
    second
        With the cache that the first one left.
    """

    op: str
    first: float
    second: float


@dataclass(frozen=True)
class Suite:
    """What a suite found.

    Parameters
    ----------
    cells
        In the order of the catalogue; those that were not reached are missing.
    starts
        One of each operation.
    ceilings
        Of the machine; None if the suite was cancelled before.
    planned
        How many cells there would be.
    """

    cells: tuple[Cell, ...] = ()
    starts: tuple[Start, ...] = ()
    ceilings: Ceilings | None = None
    planned: int = 0

    @property
    def ops(self) -> list[str]:
        """Names of the operations that were raced, in order."""
        return list(dict.fromkeys(cell.op for cell in self.cells))

    def share(self, cell: Cell) -> float | None:
        """Return which share of the ceiling ours reaches in a cell: the least possible seconds over those taken."""
        if self.ceilings is None or cell.race is None or not any(r.contender == OURS for r in cell.race.results):
            return None
        cost = Cost(**cell.race.conditions["cost"])
        return self.ceilings.seconds(cost, cell.dtype) / cell.race[OURS].median

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; :meth:`from_dict` gives an equal suite."""
        cells = [vars(cell) | {"race": None if cell.race is None else cell.race.to_dict()} for cell in self.cells]
        return {
            "planned": self.planned,
            "ceilings": None if self.ceilings is None else self.ceilings.to_dict(),
            "starts": [vars(start) for start in self.starts],
            "cells": cells,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Suite:
        """Rebuild a suite from :meth:`to_dict`, also after a round trip through JSON."""
        cells = [
            Cell(**{**cell, "shape": tuple(cell["shape"]), "race": cell["race"] and Race.from_dict(cell["race"])})
            for cell in record["cells"]
        ]
        ceilings = record["ceilings"] and Ceilings.from_dict(record["ceilings"])
        return cls(tuple(cells), tuple(Start(**start) for start in record["starts"]), ceilings, record["planned"])

    def __repr__(self) -> str:
        from .suite_text import suite_text

        return suite_text(self)


def kernels(
    ops: Iterable[str] = (),
    *,
    contenders: str | Iterable[str] | None = ALL,
    budget: float = 1.0,
    seed: int = 0,
    progress: Callable[[SuiteProgress], object] | None = None,
) -> Iterator[Suite]:
    """Race operations at all their shapes, in float32 and float64, and yield the suite so far after each step.

    The last one that was yielded is what is kept when the caller stops.

    Parameters
    ----------
    ops
        Names of operations; all of the catalogue if there are none.
    contenders
        As in :func:`workbench.compare`; everyone who is installed by default.
    budget
        Seconds of racing for each cell, on top of preparing and checking.
    seed
        Of the sample inputs and the orders of the turns.
    progress
        Called a few times a second.

    Raises
    ------
    workbench.errors.InputError
        For an unknown operation.
    """
    names = list(dict.fromkeys(ops)) or list(OPS)
    for name in names:
        if name not in OPS:
            hint = did_you_mean(name, OPS)
            raise InputError(f"There is no operation {name!r}.{hint} The catalogue has: {', '.join(OPS)}.")
    plan = {name: plan_of(name) for name in names}
    run = _Run(sum(map(len, plan.values())), progress)
    run.measure_ceilings()
    yield run.suite
    options = {"contenders": list(contenders) if isinstance(contenders, Iterable) and contenders != ALL else contenders}
    for name in names:
        for cell in _raced(plan[name], {**options, "budget": budget, "seed": seed}, run):
            run.cells.append(cell)
            yield run.suite
    run.measure_ceilings()
    for name in names:
        run.say(f"{name}: first and second start")
        run.starts.append(_start(name))
        yield run.suite


def plan_of(op: str) -> list[Cell]:
    """Return the cells of an operation, not raced yet: each shape in both dtypes, with ``out=`` and without."""
    found = OPS[op]
    smallest = found.sample(min(found.shapes, key=math.prod), np.dtype(np.float32), np.random.default_rng(0))
    # A sum or a record is written nowhere.
    outs = (True, False) if slots_of(found.reference(**smallest)) is not None else (False,)
    return [Cell(op, shape, dtype, out) for dtype in ("float32", "float64") for shape in found.shapes for out in outs]


@dataclass
class _Run:
    """A suite that grows."""

    planned: int
    progress: Callable[[SuiteProgress], object] | None
    cells: list[Cell] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    ceilings: Ceilings | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def suite(self) -> Suite:
        return Suite(tuple(self.cells), tuple(self.starts), self.ceilings, self.planned)

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
        order = {"op": left[0].op, "cells": [(cell.shape, cell.dtype, cell.out) for cell in left], **options}

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
