"""What a kernel is and what it did, and the same of a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.pipelines.batching.metrics import Quantiles, quantiles
from workbench.text import aligned, counted, format_share

from .message import Fate
from .states import State

if TYPE_CHECKING:
    from .kernel import Kernel

Facts = list[tuple[str, str]]


def _lines(heading: str, facts: Facts) -> str:
    width = max((len(name) for name, _ in facts), default=0)
    return "\n".join([heading, *(f"  {name:<{width}}  {value}" for name, value in facts)])


@dataclass(frozen=True, repr=False)
class KernelStatus:
    """A kernel at this moment.

    Parameters
    ----------
    name, state
        Its name and where it is in its life.
    runs, device
        What runs for each message, and where.
    reason
        Why it was terminated; empty if it was not.
    waiting, replies
        Messages that wait for it, and replies that wait to be received.
    capacity, reply_capacity
        How many of them may.
    restarts, max_restarts
        How often it died and began anew, and how often it may.
    route
        The kernel to which its results go on; None if they are answers.
    settled
        How many messages have their fate: if that is as before, so are the counts of :class:`KernelMetrics`.
    """

    name: str
    state: State
    runs: str
    device: str
    reason: str
    waiting: int
    replies: int
    capacity: int
    reply_capacity: int
    restarts: int
    max_restarts: int
    route: str | None
    settled: int = 0

    @classmethod
    def of(cls, kernel: Kernel) -> KernelStatus:
        """Look at a kernel."""
        options = kernel.options
        with kernel.guard:
            return cls(
                name=kernel.name,
                state=kernel.state,
                runs=kernel.body.runs,
                device=kernel.body.device,
                reason=kernel.reason,
                waiting=len(kernel.inbox.items) + len(kernel.outgoing),
                replies=len(kernel.replies.items),
                capacity=options.capacity,
                reply_capacity=options.reply_capacity,
                restarts=kernel.tally.restarts,
                max_restarts=options.restarts,
                route=kernel.route,
                settled=sum(map(kernel.tally.count, Fate)),
            )

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return f"Kernel {self.name!r}: {self.state}"

    @property
    def facts(self) -> Facts:
        """What there is to say, as names with values."""
        restarts = [("restarts", f"{self.restarts} of at most {self.max_restarts}")] if self.restarts else []
        return [
            ("runs", f"{self.runs} on {self.device}"),
            ("waiting", f"{self.waiting:,} of at most {self.capacity:,} messages"),
            ("replies", f"{self.replies:,} of at most {self.reply_capacity:,}"),
            *([("goes on to", self.route)] if self.route else []),
            *restarts,
            *([("ended", self.reason)] if self.reason else []),
        ]

    def __repr__(self) -> str:
        return _lines(self.heading, self.facts)

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import status_card

        return status_card(self)


@dataclass(frozen=True, repr=False)
class KernelMetrics:
    """What a kernel did up to now; a message is counted once.

    Parameters
    ----------
    waiting, running
        Messages in its queue, and one that is being run.
    answered, failed
        Those with an answer, and those whose handler raised.
    forwarded
        Those that went on to another kernel, where they are counted again.
    timed_out, cancelled
        Those whose caller did not wait any longer. One that is being run meanwhile is counted when the run ends.
    refused
        Those that were not let in.
    dead
        Those that became dead letters, and replies that did.
    latency
        From sending to the answer, over the last 10,000 calls that their callers ran themselves, for which it is the
        run, and the last 10,000 other messages; None if there is none.
    run
        The handler alone, over the same.
    here
        Share of the runs that senders and callers did in their own threads; None if there is none.
    """

    waiting: int
    running: int
    answered: int
    failed: int
    forwarded: int
    timed_out: int
    cancelled: int
    refused: int
    dead: int
    latency: Quantiles | None
    run: Quantiles | None
    here: float | None

    @classmethod
    def of(cls, kernel: Kernel) -> KernelMetrics:
        """Look at a kernel."""
        tally = kernel.tally
        with kernel.guard:
            count = tally.count
            runs = tally.runs_here + tally.handed_over
            return cls(
                waiting=len(kernel.inbox.items) + len(kernel.outgoing),
                running=int(kernel.runner != 0),
                answered=count(Fate.ANSWERED),
                failed=count(Fate.FAILED),
                forwarded=count(Fate.FORWARDED),
                timed_out=count(Fate.TIMED_OUT),
                cancelled=count(Fate.CANCELLED),
                refused=count(Fate.REFUSED),
                dead=count(Fate.DEAD),
                latency=quantiles([*tally.here, *tally.latencies]),
                run=quantiles([*tally.here, *tally.runs]),
                here=tally.runs_here / runs if runs else None,
            )

    @property
    def messages(self) -> int:
        """All messages that were sent to it, those that were refused included."""
        settled = self.answered + self.failed + self.forwarded + self.timed_out + self.cancelled + self.dead
        return settled + self.refused + self.waiting + self.running

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return f"{self.messages:,} message{'' if self.messages == 1 else 's'}"

    @property
    def facts(self) -> Facts:
        """What there is to say, as names with values; what did not happen is left out."""
        names = ("answered", "failed", "forwarded", "timed_out", "cancelled", "refused", "dead", "waiting", "running")
        counts = [(name.replace("_", " "), getattr(self, name)) for name in names]
        shown = [(name, f"{count:,}") for name, count in counts if count or name == "answered"]
        times = [(name, str(value)) for name, value in (("latency", self.latency), ("run", self.run)) if value]
        here = [("by its callers", f"{format_share(self.here)} of the runs")] if self.here is not None else []
        return [*shown, *times, *here]

    def __repr__(self) -> str:
        return _lines(self.heading, self.facts)

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import metrics_card

        return metrics_card(self)


@dataclass(frozen=True, repr=False)
class RuntimeStatus:
    """A runtime at this moment.

    Parameters
    ----------
    backend, why
        Where kernels run, and why there.
    kernels
        Each one that is not terminated.
    dead_letters
        How many there were.
    closed
        Whether it was shut down.
    """

    backend: str
    why: str
    kernels: Sequence[KernelStatus]
    dead_letters: int
    closed: bool

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return (
            f"Runtime on {self.backend}: {counted(len(self.kernels), 'kernel')}{'; shut down' if self.closed else ''}"
        )

    @property
    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A row for each kernel: name, state, what it runs, messages and replies that wait."""
        return [(one.name, str(one.state), one.runs, f"{one.waiting:,}", f"{one.replies:,}") for one in self.kernels]

    @property
    def facts(self) -> Facts:
        """What there is to say of the whole, as names with values."""
        return [("because", self.why), ("dead letters", f"{self.dead_letters:,}")]

    def __repr__(self) -> str:
        table = aligned([("kernel", "state", "runs", "waiting", "replies"), *self.rows], left=3) if self.rows else []
        return "\n".join([_lines(self.heading, self.facts), *(f"  {line}" for line in table)])

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import runtime_card

        return runtime_card(self)
