"""A sweep that was run: the races over size, where the winner changes, and whom to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.bench.race import Race

from .crossover import Crossover, Duel, duel
from .sizes import AXES, Axis

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from workbench.bench.rooflines.ceilings import Ceilings
    from workbench.bench.rooflines.roofline import Roofline

OURS = "numba"
BASE = "numpy"


@dataclass(frozen=True)
class Point:
    """One size in one dtype.

    Parameters
    ----------
    size
        On the axis of the sweep.
    shape, dtype
        Of the inputs.
    race
        The record; None where there is none.
    failure
        Why there is none.
    """

    size: float
    shape: tuple[int, ...]
    dtype: str
    race: Race | None = None
    failure: str = ""


@dataclass(frozen=True)
class Stop:
    """A contender that is too slow to go on.

    Parameters
    ----------
    contender, dtype
        Who, and in which dtype.
    size, shape
        The first ones at which it did not race.
    reason
        How long a call takes there, or would take as the calls before let expect.
    """

    contender: str
    dtype: str
    size: float
    shape: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Sweep:
    """Time over size for each contender and dtype.

    Parameters
    ----------
    op
        Name of the operation, or ``"custom"`` for the user's own functions.
    axis
        What size means: ``axis.name`` is ``"elements"``, ``"matrix size"`` or ``"size"``.
    entrants
        The contenders that were to race, in the order in which they are listed.
    base
        Whom the others are compared with.
    points
        By dtype and ascending size; those that were not reached are missing.
    stops
        Who stopped where because of being slow.
    absent
        Contenders that could not run at all, with the reason.
    planned
        How many points there would be.
    """

    op: str
    axis: Axis
    entrants: tuple[str, ...]
    base: str
    points: tuple[Point, ...] = ()
    stops: tuple[Stop, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    planned: int = 0

    @property
    def races(self) -> tuple[Race, ...]:
        """The races, by dtype and ascending size."""
        return tuple(point.race for point in self.points if point.race is not None)

    @property
    def dtypes(self) -> list[str]:
        """The dtypes that were reached, in order."""
        return list(dict.fromkeys(point.dtype for point in self.points))

    @property
    def contenders(self) -> list[str]:
        """Those who raced at any size, in the order of the entrants."""
        ran = {result.contender for race in self.races for result in race.results}
        return [name for name in self.entrants if name in ran]

    @property
    def complete(self) -> bool:
        """Whether all that was planned is done; a sweep that was interrupted is not."""
        return len(self.points) >= self.planned

    def of(self, dtype: str) -> list[tuple[float, Race]]:
        """Return sizes with their races in one dtype, ascending."""
        return [(point.size, point.race) for point in self.points if point.dtype == dtype and point.race is not None]

    @cached_property
    def crossovers(self) -> tuple[Crossover, ...]:
        """Where the winner of each pair changes, ours against NumPy first, by dtype and ascending size."""
        return tuple(one for dtype in self.dtypes for found in self._duels(dtype) for one in found.crossovers)

    @cached_property
    def recommendation(self) -> str:
        """Whom to use at which size, in each dtype: ``Under 700 elements use NumPy; from there on ...``."""
        from .advice import recommendation

        return recommendation(self)

    def main_duels(self, dtype: str) -> list[Duel]:
        """Return ours against the base; all against the base where ours is not among them, or is the base."""
        rest = [name for name in self.entrants if name != self.base]
        return list(self._met(dtype, [(name, self.base) for name in ([OURS] if OURS in rest else rest)]))

    def side_duels(self, dtype: str) -> list[Duel]:
        """Return ours against those who are not the base."""
        rest = [name for name in self.entrants if name != self.base]
        return list(self._met(dtype, [(OURS, name) for name in rest if name != OURS] if OURS in rest else []))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per dtype, size and contender; one without a median has the reason in ``note``.

        Times are in seconds; ``speedup``, ``speedup_low`` and ``speedup_high`` are over the contender in ``over``.
        """
        from .tables import sweep_frame

        return sweep_frame(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as CSV."""
        from workbench.bench.tables import to_csv

        to_csv(self.to_pandas(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as Parquet, which needs pyarrow."""
        from workbench.bench.tables import to_parquet

        to_parquet(self.to_pandas(), path)

    def plot(self) -> go.Figure:
        """Return the plotly chart of time over size, with intervals and the crossover."""
        from workbench.views.races import sweep_chart

        return sweep_chart.times(self)

    def plot_speedup(self) -> go.Figure:
        """Return the plotly chart of the speed-up over the base by size, with intervals."""
        from workbench.views.races import sweep_chart

        return sweep_chart.speedups(self)

    def roofline(self, *, ceilings: Ceilings | None = None) -> Roofline:
        """Return each race's place under the ceilings of this machine.

        Parameters
        ----------
        ceilings
            Those of another measurement; what is kept of this machine if None, measured now if nothing is.

        Raises
        ------
        workbench.errors.InputError
            For functions, of which nobody knows bytes and flops.
        """
        from workbench.bench.rooflines.roofline import of_races

        return of_races(self.races, ceilings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; :meth:`from_dict` gives an equal sweep."""
        points = [vars(point) | {"race": None if point.race is None else point.race.to_dict()} for point in self.points]
        return {
            "op": self.op,
            "axis": self.axis.name,
            "entrants": list(self.entrants),
            "base": self.base,
            "points": points,
            "stops": [asdict(stop) for stop in self.stops],
            "absent": dict(self.absent or {}),
            "planned": self.planned,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Sweep:
        """Rebuild a sweep from :meth:`to_dict`, also after a round trip through JSON."""
        points = [
            Point(**{**one, "shape": tuple(one["shape"]), "race": one["race"] and Race.from_dict(one["race"])})
            for one in record["points"]
        ]
        stops = [Stop(**{**one, "shape": tuple(one["shape"])}) for one in record["stops"]]
        named = {"axis": AXES[record["axis"]], "entrants": tuple(record["entrants"])}
        return cls(**{**record, **named, "points": tuple(points), "stops": tuple(stops)})

    def __repr__(self) -> str:
        from .tables import sweep_text

        return sweep_text(self)

    def _repr_html_(self) -> str:
        from workbench.views.races import sweep_card

        return sweep_card.sweep(self)

    def _duels(self, dtype: str) -> Iterator[Duel]:
        """Yield all pairs that met, those of most interest first."""
        first = [*self.main_duels(dtype), *self.side_duels(dtype)]
        seen = {frozenset((found.one, found.other)) for found in first}
        yield from first
        yield from self._met(dtype, [pair for pair in combinations(self.entrants, 2) if frozenset(pair) not in seen])

    def _met(self, dtype: str, pairs: list[tuple[str, str]]) -> Iterator[Duel]:
        races = self.of(dtype)
        for one, other in pairs:
            if (found := duel(one, other, dtype, races)) is not None:
                yield found
