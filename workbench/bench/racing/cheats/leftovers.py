"""Work that is skipped where ``out=`` still holds the result of the call before, as it does in a loop of timed calls.

The call that is verified finds poison there, and would be right. So calls that find poison are compared with calls that
find a result, in pairs; as much is written to the buffer before either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.bench.racing import check
from workbench.bench.racing.clock import Clock
from workbench.bench.racing.far import Far, near

from .freshness import TRIES, pairs_of, times_as_long

if TYPE_CHECKING:
    from workbench.bench.racing.runner import Runner


def spares_itself(runner: Runner, clock: Clock) -> str:
    """Return in words that a contender is much slower where ``out=`` holds no result yet; empty if it is not."""
    if runner.entry.out is None:
        return ""
    ratio = _slowdown(runner, clock)
    for _ in range(TRIES - 1):
        if not ratio:
            return ""
        ratio = min(ratio, _slowdown(runner, clock))
    return f"takes {ratio:.0f} times as long where out= holds no result yet: it skips its work" if ratio else ""


def _slowdown(runner: Runner, clock: Clock) -> float:
    """Return how many times longer a call takes that finds poison; 0 where that is not clear."""
    runner.ask(clock, runner.course.plain())
    buffers = check.leaves(runner.entry.out)
    results = [near(buffer).copy() for buffer in buffers]
    times: dict[bool, list[float]] = {False: [], True: []}
    clock.settle()
    for number in range(2 * pairs_of(runner.a_call) + 1):
        spoiled = number % 2 == 0
        if spoiled:
            check.poison(runner.entry.out)
        else:
            for buffer, result in zip(buffers, results, strict=True):
                _write(runner, buffer, result)
        times[spoiled].append(clock.once(runner.entry)[0])
    return times_as_long(times[True][1:], times[False])


def _write(runner: Runner, buffer: check.Array | Far, result: check.Array) -> None:
    device = runner.course.contest.device
    if isinstance(buffer, Far):
        assert device is not None
        device.write(buffer.array, result)
    else:
        buffer[...] = result
