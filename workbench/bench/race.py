"""A race that was run: who took how long, how sure that is, and whether each result was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Ratio:
    """How many times faster one contender is than another, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 1 out, so that one of the two is really faster."""
        return self.low > 1.0 or self.high < 1.0

    def __str__(self) -> str:
        return f"{self.value:.3g}x [{self.low:.3g}, {self.high:.3g}]"


class Beside(NamedTuple):
    """What the host's clock tells of a call on a GPU in one round, in seconds.

    Parameters
    ----------
    host
        That the CPU takes to enqueue a call: what a launch costs.
    waited
        From a call to the end of its work on the device.
    graph
        The same for a replay of the call, captured as a graph; None if it could not be.
    """

    host: float
    waited: float
    graph: float | None


@dataclass(frozen=True)
class OnDevice:
    """What a contender on a GPU takes of the host's time; the device's own is in the result's ``seconds``.

    Parameters
    ----------
    host, waited, graph
        Seconds per call of each round, as :class:`Beside` has them; ``graph`` is empty if there is none.
    uncaptured
        Why the call could not be captured as a graph, in words; empty if it could.
    """

    host: tuple[float, ...]
    waited: tuple[float, ...]
    graph: tuple[float, ...] = ()
    uncaptured: str = ""

    @classmethod
    def of(cls, rounds: Sequence[Beside], uncaptured: str) -> OnDevice | None:
        """Return what so many rounds told; None for none."""
        if not rounds:
            return None
        graph = tuple(each.graph for each in rounds if each.graph is not None)
        return cls(tuple(each.host for each in rounds), tuple(each.waited for each in rounds), graph, uncaptured)

    def median(self, name: str) -> float | None:
        """Return the median seconds per call of ``"host"``, ``"waited"`` or ``"graph"``; None if there are none."""
        seconds = getattr(self, name)
        return float(np.median(seconds)) if seconds else None


@dataclass(frozen=True)
class Result:
    """One contender of a race.

    Parameters
    ----------
    contender
        Its name: ``"numba"``, ``"numpy"``, ``"torch"``, ``"onnxruntime"`` or the user's.
    version
        Of the library, such as ``"numba 0.68.1"``.
    seconds
        Time per call of each sample, seconds, in the order of the rounds; all contenders have as many. On a GPU it is
        the device's own time.
    first_call
        Seconds of the very first call, compilation included; not among ``seconds``.
    error
        Largest ``|result - truth|`` over the largest ``|truth|``, truth in float64.
    right
        Whether every element lies within the operation's tolerance before and after the race, and no input was
        changed.
    fault
        What is wrong, in words that follow the contender's name; empty if it is right.
    peak_bytes
        Bytes by which one call made the process grow at the most, its result included, where nothing was kept from
        earlier calls; 0 for less than a megabyte, None where the system does not tell, and on a GPU.
    on_device
        What the host's clock tells of a contender on a GPU; None on the CPU.
    """

    contender: str
    version: str
    seconds: tuple[float, ...]
    first_call: float
    error: float
    right: bool
    fault: str = ""
    peak_bytes: int | None = None
    on_device: OnDevice | None = None

    @property
    def median(self) -> float:
        """Median seconds per call."""
        return float(np.median(self.seconds))

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the seconds per call."""
        low, high = np.percentile(self.seconds, (25, 75))
        return float(low), float(high)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the median, seconds."""
        from .statistics import median_interval

        return median_interval(self.seconds)


@dataclass(frozen=True)
class Race:
    """The record of one race.

    Parameters
    ----------
    op
        Name of the operation, or ``"custom"`` for the user's own functions.
    shape, dtype
        Of the sample inputs.
    results
        One per contender, fastest first.
    absent
        Contenders that could not run, with the reason.
    conditions
        How it was measured: rounds, calls per sample, ``out``, cache, threads, load, seed.
    environment
        Where: CPU, cores, caches, library versions.
    """

    op: str
    shape: tuple[int, ...]
    dtype: str
    results: tuple[Result, ...]
    absent: Mapping[str, str]
    conditions: Mapping[str, Any]
    environment: Mapping[str, Any]

    def __getitem__(self, contender: str) -> Result:
        for result in self.results:
            if result.contender == contender:
                return result
        from workbench.errors import InputError

        raise InputError(
            f"{contender!r} did not run in this race; these did: {', '.join(r.contender for r in self.results)}."
        )

    def speedup(self, contender: str, *, over: str) -> Ratio:
        """Return how many times faster ``contender`` is than ``over``, from samples paired by round."""
        from .statistics import speedup

        return speedup(self[contender].seconds, self[over].seconds)

    @property
    def verdict(self) -> str:
        """One sentence: who won, by how much, or that there is no difference, or that a result is wrong."""
        from .verdict import verdict

        return verdict(self)

    @property
    def conditions_text(self) -> str:
        """One line under the verdict: intervals, error, first call, cache, rounds, load."""
        from .verdict import conditions_text

        return conditions_text(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per contender: median, quartiles and interval (seconds), speed-up over numpy, error."""
        from .tables import race_frame

        return race_frame(self)

    def samples(self) -> pd.DataFrame:
        """Return one row per sample: contender, round (from 1) and seconds per call."""
        from .tables import sample_frame

        return sample_frame(self)

    def to_csv(self, path: str | Path, *, samples: bool = False) -> None:
        """Write the table of :meth:`to_pandas`, or that of :meth:`samples`, as CSV."""
        from .tables import to_csv

        to_csv(self.samples() if samples else self.to_pandas(), path)

    def to_parquet(self, path: str | Path, *, samples: bool = False) -> None:
        """Write the table of :meth:`to_pandas`, or that of :meth:`samples`, as Parquet, which needs pyarrow."""
        from .tables import to_parquet

        to_parquet(self.samples() if samples else self.to_pandas(), path)

    def plot(self) -> go.Figure:
        """Return the plotly bar chart: median time of each contender with its interval."""
        from workbench.views.races import race_chart

        return race_chart.race(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts, numbers and text, for JSON; :meth:`from_dict` gives an equal race."""
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Race:
        """Rebuild a race from :meth:`to_dict`, also after a round trip through JSON."""
        results = tuple(map(_result, record["results"]))
        return cls(**{**record, "shape": tuple(record["shape"]), "results": results})

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the whole record as JSON, and write it into a file if one is named; :meth:`from_json` reads it."""
        from .plain import to_text, write

        text = to_text(self.to_dict())
        if path is not None:
            write(path, text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Race:
        """Rebuild a race from :meth:`to_json`, given as text or as the path of a file; nothing is lost.

        Raises
        ------
        workbench.errors.InputError
            If it cannot be read, or is no race.
        """
        from .plain import race_of

        return race_of(source)

    def save(self, path: str | Path | None = None) -> int:
        """Keep this race in the history, and return the number under which ``wb.history()`` has it.

        Parameters
        ----------
        path
            The history's file; that of this user if None, see :func:`workbench.history`.

        Raises
        ------
        workbench.errors.HistoryError
            If the history is locked or damaged; the race is then in a file beside it, which the message names.
        """
        from .past.history import save

        return save(self, path)

    def __repr__(self) -> str:
        from .verdict import race_text

        return race_text(self)

    def _repr_html_(self) -> str:
        from workbench.views.races import race_card

        return race_card.card(self)


def _result(record: Mapping[str, Any]) -> Result:
    beside = record.get("on_device")
    if beside is not None:
        rounds = {name: tuple(beside[name]) for name in ("host", "waited", "graph")}
        beside = OnDevice(**rounds, uncaptured=beside["uncaptured"])
    return Result(**{**record, "seconds": tuple(record["seconds"]), "on_device": beside})
