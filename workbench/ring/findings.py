"""What an audit of round trips found: values, with a text and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.bench.race import Ratio
from workbench.text import aligned, format_seconds

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


class Trip(NamedTuple):
    """How long one way took.

    Parameters
    ----------
    message
        What was sent: ``"a number"`` or ``"1 MB softmax"``.
    way
        How.
    seconds
        Of a round trip, the median over the rounds.
    low, high
        Its 95 % interval.
    """

    message: str
    way: str
    seconds: float
    low: float
    high: float


class Bar(NamedTuple):
    """What the kernels are held to, and whether they are.

    Parameters
    ----------
    text
        What is asked.
    ratio
        What was measured: times as fast.
    least
        What it must be at the least.
    """

    text: str
    ratio: Ratio
    least: float

    @property
    def met(self) -> bool:
        """Whether the middle of the interval is no less."""
        return self.ratio.value >= self.least


@dataclass(frozen=True, repr=False)
class RingAudit:
    """What an audit found.

    Parameters
    ----------
    trips
        Each way of each message.
    bars
        What is asked of kernels.
    rounds
        How often each way was timed.
    environment
        The machine and its libraries, as :func:`workbench.bench.environment.environment` gives them.
    load
        Cores that others kept busy meanwhile; None where the system does not tell.
    gpu
        What is to be said of the GPU.
    """

    trips: tuple[Trip, ...]
    bars: tuple[Bar, ...]
    rounds: int
    environment: dict[str, Any]
    load: float | None
    gpu: str

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return f"Round trips to a ring kernel: {sum(bar.met for bar in self.bars)} of {len(self.bars)} bars met"

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of :attr:`rows`."""
        return ("way", *dict.fromkeys(trip.message for trip in self.trips))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row for each way, with the time of each message."""
        times = {(trip.way, trip.message): format_seconds(trip.seconds) for trip in self.trips}
        ways = dict.fromkeys(trip.way for trip in self.trips)
        return [(way, *(times.get((way, message), "") for message in self.columns[1:])) for way in ways]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The bars, and the conditions."""
        bars = [(bar.text, f"{bar.ratio}, {'met' if bar.met else 'NOT met'}") for bar in self.bars]
        machine = self.environment
        return [
            *bars,
            ("on", f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"),
            ("rounds", f"{self.rounds}, every way in each, in random order; medians, 95 % intervals"),
            *([("others", f"kept {self.load:g} cores busy")] if self.load else []),
            ("GPU", self.gpu),
        ]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.facts)
        table = aligned([self.columns, *self.rows])
        return "\n".join([self.heading, *table, *(f"{name:<{width}}  {value}" for name, value in self.facts)])

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import audit_card

        return audit_card(self)

    def plot(self) -> go.Figure:
        """Return the plotly chart: the median round trip of each way with its interval."""
        from workbench.views.ring import chart as ring_chart

        return ring_chart.audit(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per way and message: message, way, seconds, low, high."""
        import pandas as pd

        return pd.DataFrame(self.trips, columns=Trip._fields)
