"""What a kernel counts while it works."""

from __future__ import annotations

from collections import deque

from workbench.pipelines.batching.metrics import REMEMBERED

from .message import Fate


class Tally:
    """Counts and times; those at the top are written by whoever has the kernel's turn, the others under its guard."""

    def __init__(self) -> None:
        self.here_answered = self.here_failed = 0
        """Calls that their callers ran themselves."""
        self.here_sent = 0
        """Other messages that who sent them ran."""
        self.handed_over = 0
        """Messages that the kernel's own thread ran."""
        self.here: deque[float] = deque(maxlen=REMEMBERED)
        """How long those calls took; the other times are of other messages."""
        self.runs: deque[float] = deque(maxlen=REMEMBERED)
        self.latencies: deque[float] = deque(maxlen=REMEMBERED)
        self.restarts = 0
        self.fates: dict[Fate, int] = dict.fromkeys(Fate, 0)

    @property
    def runs_here(self) -> int:
        """Runs by callers and senders."""
        return self.here_answered + self.here_failed + self.here_sent

    def count(self, fate: Fate) -> int:
        """Return how many messages had this fate."""
        here = {Fate.ANSWERED: self.here_answered, Fate.FAILED: self.here_failed}
        return self.fates[fate] + here.get(fate, 0)
