"""What a batcher did: how many were answered, how long they waited, how full the batches were."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workbench.text import format_seconds, format_share

if TYPE_CHECKING:
    import pandas as pd

REMEMBERED = 10_000
"""Quantiles are over so many requests, the last ones."""


class Quantiles(NamedTuple):
    """Times in seconds that half, 95 % and 99 % of the requests did not exceed, and the longest one."""

    p50: float
    p95: float
    p99: float
    longest: float

    def __str__(self) -> str:
        return ", ".join(f"{name} {format_seconds(value)}" for name, value in self._asdict().items())


@dataclass(frozen=True, repr=False)
class BatchMetrics:
    """What a batcher did up to now.

    Parameters
    ----------
    waiting
        Requests that wait for their batch.
    answered, failed, cancelled, refused
        Requests with a result, with an exception, given up by their caller, and not let into a full queue.
    latency
        From the request to its answer, over the last 10,000 that were answered or failed; None if none was.
    wait
        From the request to the start of its batch, over the same.
    sizes
        Sizes of batches and how many had each, the smallest first.
    reruns
        Calls of the function that were needed to find bad items in batches that raised.
    longest_run
        Seconds of the batch that took the longest, its reruns included.
    padding
        Share of all batches that would be padding if each item were as long as the longest of its batch; None if
        lengths are not known.
    """

    waiting: int
    answered: int
    failed: int
    cancelled: int
    refused: int
    latency: Quantiles | None
    wait: Quantiles | None
    sizes: tuple[tuple[int, int], ...]
    reruns: int
    longest_run: float
    padding: float | None

    @property
    def requests(self) -> int:
        """All requests that were made, those that were refused included."""
        return self.waiting + self.answered + self.failed + self.cancelled + self.refused

    @property
    def batches(self) -> int:
        """How many batches were run."""
        return sum(count for _, count in self.sizes)

    @property
    def mean_size(self) -> float:
        """Mean number of items in a batch; 0 if none was run."""
        return sum(size * count for size, count in self.sizes) / self.batches if self.batches else 0.0

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return f"{self.requests:,} request{'' if self.requests == 1 else 's'}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say, as names with values."""
        counts = [
            (name, f"{getattr(self, name):,}") for name in ("answered", "failed", "cancelled", "refused", "waiting")
        ]
        if not self.batches:
            return counts
        least, most = self.sizes[0][0], self.sizes[-1][0]
        several = f"{least} to {most} items, {self.mean_size:.1f} in the mean"
        sizes = several if least < most else f"{most} item{'' if most == 1 else 's'}"
        return [
            *counts,
            *((name, str(value)) for name, value in (("latency", self.latency), ("wait", self.wait)) if value),
            ("batches", f"{self.batches:,} of {sizes}"),
            ("longest run", format_seconds(self.longest_run)),
            *([("run again", f"{self.reruns:,}")] if self.reruns else []),
            *([("padding", format_share(self.padding))] if self.padding is not None else []),
        ]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.facts)
        return "\n".join([self.heading, *(f"  {name:<{width}}  {value}" for name, value in self.facts)])

    def _repr_html_(self) -> str:
        from workbench.views.pipelines import batch_card

        return batch_card.metrics_card(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per size of a batch: size, batches, items."""
        import pandas as pd

        rows = [(size, count, size * count) for size, count in self.sizes]
        return pd.DataFrame(rows, columns=["size", "batches", "items"])


class Recorder:
    """Counts while a batcher works; whoever calls it holds the batcher's lock."""

    def __init__(self) -> None:
        self.cancelled = self.refused = self.reruns = 0
        self._answered = self._failed = 0
        self._sizes: Counter[int] = Counter()
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self._waits: deque[float] = deque(maxlen=REMEMBERED)
        self._longest_run = self._filled = self._padded = 0.0

    def batch(self, lengths: Sequence[float]) -> None:
        """Count a batch that starts."""
        self._sizes[len(lengths)] += 1
        self._filled += sum(lengths)
        self._padded += max(lengths) * len(lengths)

    def request(self, wait: float, latency: float, *, failed: bool) -> None:
        """Count a request that is answered."""
        self._waits.append(wait)
        self._latencies.append(latency)
        if failed:
            self._failed += 1
        else:
            self._answered += 1

    def took(self, seconds: float) -> None:
        """Note what a batch took up to now."""
        self._longest_run = max(self._longest_run, seconds)

    def metrics(self, waiting: int, *, lengths: bool) -> BatchMetrics:
        """Return all that was counted."""
        return BatchMetrics(
            waiting=waiting,
            answered=self._answered,
            failed=self._failed,
            cancelled=self.cancelled,
            refused=self.refused,
            latency=quantiles(self._latencies),
            wait=quantiles(self._waits),
            sizes=tuple(sorted(self._sizes.items())),
            reruns=self.reruns,
            longest_run=self._longest_run,
            padding=1.0 - self._filled / self._padded if lengths and self._padded > 0 else None,
        )


def quantiles(values: Sequence[float]) -> Quantiles | None:
    """Return the quantiles of values, each of which is one of them; None if there are none.

    >>> quantiles([4.0, 1.0, 2.0, 3.0])
    Quantiles(p50=2.0, p95=4.0, p99=4.0, longest=4.0)
    """
    if not values:
        return None
    ordered = sorted(values)
    p50, p95, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95, 99))
    return Quantiles(p50, p95, p99, ordered[-1])
