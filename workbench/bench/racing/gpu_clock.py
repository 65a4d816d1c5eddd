"""The clock of a GPU: what one sample is there. It has the methods of :class:`~workbench.bench.racing.clock.Clock`.

A sample is the device's own time, between two of its events, of as many calls as fill a millisecond, after 10 ms of
warm-up in which the card raises its clock. Three things would spoil it, and each has its remedy:

- The CPU takes longer to enqueue a small kernel than the GPU to run it, so that the time between two events would be
  the CPU's. Hence `hold`: the stream pauses until all calls of a sample are enqueued. If the pause was too short, the
  sample is taken again with a longer one; where a call itself waits for the GPU, none is long enough, which is told.
- The launch queue of a GPU is finite, and who fills it waits. Hence no more calls than the CPU enqueues in 2.5 ms.
- A result that is written again and again stays in the second-level cache. With ``cold`` a flush stands before each
  call, between its mark and that of the call before, so that it is not timed itself.

Beside each sample the host's side is timed: enqueueing a call, a call until its work is done, and the same for the call
captured as a graph.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from workbench.bench.contenders import Entry
from workbench.bench.devices import Captured, Device
from workbench.bench.race import Beside

from .clock import SAMPLE, WARM_UP, Clock, nothing, same
from .cold import Rotation

QUEUE = 0.0025
"""Seconds for which the CPU enqueues at the most: at 2.5 us a launch that is 1,000, of which the queue holds 1,024."""
COLD_CALLS = 50
"""Calls of a sample with a cold cache at the most, since a flush takes longer than a small call."""
_TRIES = 3
_MORE_THAN_NEEDED, _AT_LEAST = 1.5, 50e-6
"""How much longer the stream is held than enqueueing took before, and seconds that it is held at the least."""
_WAITED = 5
"""Calls that are waited for, one by one, beside a sample."""

Kept = TypeVar("Kept")


class GpuClock(Clock):
    """Takes samples of what runs on a device.

    Parameters
    ----------
    device
        Whose stream is the current one while samples are taken.
    cold
        Whether the second-level cache is emptied before each call.

    Attributes
    ----------
    samples, retaken
        As those of a :class:`~workbench.bench.racing.clock.Clock`; a sample is taken again if its stream was held for
        too short a time.
    starved
        In how many samples the GPU waited for the CPU nevertheless.
    alone
        Always: whether others had a core changes nothing of the device's time.
    """

    def __init__(self, device: Device, *, cold: bool) -> None:
        super().__init__()
        self.device, self._cold = device, cold
        self.starved = 0

    @property
    def counts_waiting(self) -> bool:
        """False: what threads wait for a core is none of the device's time."""
        return False

    def once(self, entry: Entry, keep: Callable[[Any], Kept] = same) -> tuple[float, Kept]:
        """Call once and wait for the work, and return the host's seconds and what ``keep`` makes of the result."""
        self.settle()
        with entry.around():
            begin = self._now()
            returned = entry.call()
            self.device.wait()
            return (self._now() - begin) / 1e9, keep(returned)

    def calibrate(self, entry: Entry) -> tuple[int, float]:
        """Return how many calls fill a sample, and the device's seconds that one takes."""
        self.settle()
        calls, spent = 1, 0.0
        with entry.around():
            while True:
                host, seconds, _ = self._batch(entry, calls, hold=0.0)
                spent += max(host, seconds)
                if spent >= WARM_UP and (seconds >= SAMPLE / 4 or host >= QUEUE / 4):
                    break
                if max(host, seconds) < SAMPLE:
                    calls *= 2
        most = max(1, int(QUEUE * calls / max(host, 1e-9)))
        filled = max(1, math.ceil(SAMPLE * calls / max(seconds, 1e-9)))
        return min(filled, most, *([COLD_CALLS] if self._cold else [])), seconds / calls

    def sample(
        self,
        entry: Entry,
        calls: int,
        *,
        rotation: Rotation | None = None,
        tries: int = 1,
        before_last: Callable[[], object] = nothing,
        keep: Callable[[Any], object] = nothing,
    ) -> float:
        """Return the device's seconds per call of one sample.

        Parameters
        ----------
        entry, calls, before_last, keep
            As of :meth:`~workbench.bench.racing.clock.Clock.sample`.
        rotation, tries
            None and 1: a flush makes the cache cold, and a sample is taken again for other reasons.
        """
        self.samples += 1
        self.settle()
        with entry.around(), _no_collection():
            host, warm = 0.0, 0.0
            while warm < WARM_UP:
                host, seconds, _ = self._batch(entry, calls, hold=0.0, cold=self._cold)
                warm += max(host, seconds, 1e-6)
            hold = _MORE_THAN_NEEDED * host + _AT_LEAST
            for again in range(_TRIES):
                self.retaken += again > 0
                enqueued, seconds, starved = self._batch(entry, calls, hold=hold, cold=self._cold)
                if not starved:
                    break
                hold = 2 * max(hold, enqueued)
            self.starved += starved
            before_last()
            returned = entry.call()
            keep(returned)
        return seconds / calls

    def captured(self, entry: Entry) -> Captured | str:
        """Return a contender's call as a graph, or in words why it cannot be one."""
        with entry.around():
            try:
                graph = self.device.capture(entry.call)
                graph.replay()
                self.device.wait()
            except Exception as error:  # each library has errors of its own, and so has each call
                return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            return graph

    def beside(self, entry: Entry, calls: int, graph: Captured | str | None) -> Beside:
        """Return what the host's clock tells of a contender."""
        with entry.around(), _no_collection():
            self.device.wait()
            begin = self._now()
            for _ in range(calls):
                entry.call()
            host = (self._now() - begin) / 1e9 / calls
            waited = self._waited(entry.call)
            replayed = None if graph is None or isinstance(graph, str) else self._waited(graph.replay)
        return Beside(host, waited, replayed)

    def settle(self, limit: float = 0.0) -> bool:
        """Wait until the device is idle, so that what one contender left on another stream disturbs no other."""
        self.device.idle()
        return True

    def peak(self, entry: Entry) -> None:
        """Return None: what libraries take of a device's memory they keep, so that a call's share is not to be seen."""

    @property
    def conditions(self) -> Mapping[str, Any]:
        """How the samples were taken, for the record of a race."""
        flushed = ", the second-level cache written over before each call" if self._cold else ""
        return {
            "method": (
                "in turns, random order; the device's time between two events around the calls of a sample, which are "
                f"all enqueued before the first one runs; {WARM_UP * 1e3:g} ms of warm-up, a sample of "
                f"{SAMPLE * 1e3:g} ms{flushed}; ratios by round, bootstrap"
            ),
            "starved": self.starved,
            "retaken": self.retaken,
            "device": self.device.name,
            "reached_by": self.device.library,
            "l2": self.device.l2,
        }

    def _batch(self, entry: Entry, calls: int, *, hold: float, cold: bool = False) -> tuple[float, float, bool]:
        """Enqueue calls; return the host's seconds for that, the device's, and whether it had to wait for the host."""
        device, call, marks = self.device, entry.call, []
        device.wait()
        if hold:
            device.hold(hold)
        begin = self._now()
        marks.append(device.record())
        if cold:
            for _ in range(calls):
                device.flush()
                marks.append(device.record())
                call()
                marks.append(device.record())
        else:
            for _ in range(calls):
                call()
            marks.append(device.record())
        # Before the clock is read: what the device did meanwhile is no part of what the host took.
        starved = bool(hold) and device.reached(marks[0])
        host = (self._now() - begin) / 1e9
        device.wait()
        timed = marks[1:] if cold else marks
        return host, sum(map(device.seconds, timed[::2], timed[1::2])), starved

    def _waited(self, call: Callable[[], Any]) -> float:
        times = []
        for _ in range(_WAITED):
            self.device.wait()
            begin = self._now()
            call()
            self.device.wait()
            times.append((self._now() - begin) / 1e9)
        return sorted(times)[_WAITED // 2]


@contextmanager
def _no_collection() -> Iterator[None]:
    """See that no garbage is collected in what is timed."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
