"""``wb.roofline``: how near operations come to what this machine can do at the most.

After Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52 (2009): whoever does ``flops`` operations on ``bytes`` that have to be moved is bound by
the bandwidth of the memory where they lie, or by the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels.catalog import OPS, Cost, Op
from workbench.bench import contenders as entrants
from workbench.bench.progress import Progress, SuiteProgress
from workbench.bench.race import Race
from workbench.bench.racing import contest as contests
from workbench.bench.racing.contest import Contest, parse_shape
from workbench.bench.racing.single import single
from workbench.errors import InputError, RaceError, WorkbenchError
from workbench.text import did_you_mean

from .ceilings import Ceilings
from .kept import ceilings as kept_ceilings

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

PATIENCE = 1.0
"""Seconds; who takes longer for one call is left out."""
ARITHMETIC = "arithmetic"


@dataclass(frozen=True)
class Placed:
    """One contender's run of one operation, under the roofs.

    Parameters
    ----------
    op, contender, shape, dtype
        Who did what.
    nbytes, flops
        What the operation has to move and to compute at the least, whoever does it.
    seconds
        Median time of a call.
    low, high
        Its 95 % interval.
    least
        Seconds that the operation takes at the least, by the ceilings.
    bound
        What does not let it be faster: ``"L1"``, ``"L2"``, ``"L3"``, ``"DRAM"`` or ``"arithmetic"``.
    """

    op: str
    contender: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    flops: int
    seconds: float
    low: float
    high: float
    least: float
    bound: str

    @property
    def intensity(self) -> float:
        """Floating-point operations for each byte that has to be moved."""
        return self.flops / self.nbytes

    @property
    def rate(self) -> float:
        """Floating-point operations a second."""
        return self.flops / self.seconds

    @property
    def share(self) -> float:
        """Which share of the ceiling is reached: the least possible seconds over those taken."""
        return self.least / self.seconds


@dataclass(frozen=True)
class Roofline:
    """Operations under the ceilings of a machine.

    Parameters
    ----------
    points
        In the order in which they were raced.
    ceilings
        What the machine can do.
    failures
        Operations without a point, with the reason.
    """

    points: tuple[Placed, ...]
    ceilings: Ceilings
    failures: Mapping[str, str]

    @property
    def dtypes(self) -> list[str]:
        """The dtypes of the points, in order."""
        return list(dict.fromkeys(point.dtype for point in self.points))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per operation and contender: bytes, flops, seconds, intensity, rate, bound and share."""
        from .tables import roofline_frame

        return roofline_frame(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as CSV."""
        from workbench.bench.tables import to_csv

        to_csv(self.to_pandas(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as Parquet, which needs pyarrow."""
        from workbench.bench.tables import to_parquet

        to_parquet(self.to_pandas(), path)

    def plot(self) -> go.Figure:
        """Return the plotly chart: operations a second over operations per byte, under a roof per memory level."""
        from workbench.views.races import roofline_chart

        return roofline_chart.roofline(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; :meth:`from_dict` gives an equal roofline."""
        return {
            "points": [asdict(point) for point in self.points],
            "ceilings": self.ceilings.to_dict(),
            "failures": dict(self.failures),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Roofline:
        """Rebuild a roofline from :meth:`to_dict`, also after a round trip through JSON."""
        points = tuple(Placed(**{**point, "shape": tuple(point["shape"])}) for point in record["points"])
        return cls(points, Ceilings.from_dict(record["ceilings"]), dict(record["failures"]))

    def __repr__(self) -> str:
        from .tables import roofline_text

        return roofline_text(self)

    def _repr_html_(self) -> str:
        from workbench.views.races import sweep_card

        return sweep_card.roofline(self)


def roofline(
    ops: str | Iterable[str] | None = None,
    *,
    dtype: str = "float32",
    shape: Any = None,
    contenders: str | Iterable[str] | None = ("numba", "numpy"),
    out: bool = True,
    budget: float = 0.5,
    fresh: bool = False,
    ceilings: Ceilings | None = None,
    seed: int = 0,
    progress: Callable[[SuiteProgress], object] | None = None,
) -> Roofline:
    """Race operations, and place each under the ceilings of this machine.

    The ceilings (bandwidth by the size of the working set, fused multiply-adds by dtype) are measured on first use and
    kept in the user's cache folder for a month, under the identity of the machine.

    Parameters
    ----------
    ops
        Names of operations, or one; all of the catalogue if None.
    dtype
        Of the sample inputs.
    shape
        Of the sample inputs; each operation's first one if None.
    contenders
        Names, as in :func:`workbench.compare`; those that do not have an operation are left out there.
    out
        Write into a preallocated ``out=``, those that can.
    budget
        Seconds of racing for each operation.
    fresh
        Measure the ceilings again.
    ceilings
        Take these instead.
    seed
        Of the sample inputs and the order of the turns.
    progress
        Called with a :class:`~workbench.bench.progress.SuiteProgress` a few times a second.

    Raises
    ------
    workbench.errors.InputError
        For an unknown operation, dtype or shape.
    workbench.errors.RaceError
        If no operation could be raced.
    """
    names = [ops] if isinstance(ops, str) else list(OPS) if ops is None else list(dict.fromkeys(ops))
    for name in names:
        if name not in OPS:
            raise InputError(f"There is no operation {name!r}.{did_you_mean(name, OPS)} There are: {', '.join(OPS)}.")
    wanted = [contenders] if isinstance(contenders, str) and contenders != entrants.ALL else contenders
    wanted = wanted if wanted is None or isinstance(wanted, str) else list(wanted)
    sizes = None if shape is None else parse_shape(shape)
    _check(names, dtype)

    def say(done: int, what: str) -> None:
        if progress is not None:
            progress(SuiteProgress(done, len(names), what, None))

    say(0, "ceilings of this machine")
    known = kept_ceilings(fresh=fresh) if ceilings is None else ceilings
    races: list[Race] = []
    failures: dict[str, str] = {}
    for done, name in enumerate(names):

        def report(step: Progress, done: int = done, name: str = name) -> None:
            say(done, f"{name} {dtype}: {step}")

        def ask(rng: np.random.Generator, name: str = name) -> Contest:
            able = _able(OPS[name], wanted)
            return contests.of_operation(name, shape=sizes, dtype=dtype, names=able, inputs=None, rng=rng)

        try:
            races.append(single(ask, out=out, budget=budget, seed=seed, patience=PATIENCE, progress=report))
        except WorkbenchError as error:
            failures[name] = str(error)
    if not races:
        raise RaceError(f"No operation could be raced: {next(iter(failures.values()))}")
    return Roofline(_points(races, known), known, failures)


def of_races(races: Sequence[Race], ceilings: Ceilings | None = None) -> Roofline:
    """Return races of operations as a roofline; those of functions have no bytes and flops to be placed by.

    Raises
    ------
    workbench.errors.InputError
        If none of them is an operation's.
    """
    able = [race for race in races if "cost" in race.conditions]
    if not able:
        raise InputError("Of functions nobody knows bytes and flops; a roofline takes operations of the catalogue.")
    known = kept_ceilings() if ceilings is None else ceilings
    return Roofline(_points(able, known), known, {})


def _points(races: Sequence[Race], ceilings: Ceilings) -> tuple[Placed, ...]:
    points = []
    for one in races:
        cost = Cost(**one.conditions["cost"])
        if one.dtype not in ceilings.flops or not cost.flops:
            continue  # nothing was measured for float16, and what only moves has no place on the chart
        least, moving = ceilings.seconds(cost, one.dtype), ceilings.memory_seconds(cost)
        bound = ceilings.level(cost.nbytes) if moving >= least else ARITHMETIC
        points += [
            Placed(
                *(one.op, result.contender, one.shape, one.dtype, cost.nbytes, cost.flops),
                *(result.median, *result.interval, least, bound),
            )
            for result in one.results
            if result.right
        ]
    return tuple(points)


def _able(op: Op, names: str | list[str] | None) -> str | list[str] | None:
    """Return those of the names that can race an operation; all of them if none can, so that the error says why."""
    if names is None or isinstance(names, str):
        return names
    able = [name for name in names if name in entrants.available(op)]
    return able or names


def _check(names: Sequence[str], dtype: str) -> None:
    for name in names:
        if dtype not in OPS[name].tolerance:
            raise InputError(f"{name} is not raced in {dtype!r}; it has: {', '.join(OPS[name].tolerance)}.")
