"""Which implementation ran, or would run: the dispatch notes each step here while somebody listens.

``explain`` is a dry run of the very code that a call takes, so it cannot disagree with it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

listeners = 0
"""How many traces are under way in all threads; a hot path looks at this first."""

_here = threading.local()
_count = threading.Lock()


@dataclass
class Trace:
    """What was noted during one call.

    Parameters
    ----------
    dry
        Whether kernels are skipped.
    implementation
        ``"numba"`` or ``"numpy"``; empty if nothing ran.
    form
        The form of the loop: as in `Explanation`.
    notes
        Why this one, what was copied or converted, in the order of happening.
    """

    dry: bool
    implementation: str = ""
    form: str = ""
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def tracing(*, dry: bool = False) -> Iterator[Trace]:
    """Record what calls in this thread do; with ``dry`` they stop short of computing."""
    global listeners
    before, trace = getattr(_here, "trace", None), Trace(dry)
    with _count:
        listeners += 1
    _here.trace = trace
    try:
        yield trace
    finally:
        _here.trace = before
        with _count:
            listeners -= 1


def launching(implementation: str, form: str, reason: str) -> bool:
    """Note what is about to run; True if it is to be skipped. Called only if there are `listeners`."""
    trace: Trace | None = getattr(_here, "trace", None)
    if trace is None:
        return False
    trace.implementation, trace.form = implementation, form
    trace.notes.append(reason)
    return trace.dry


def note(text: str) -> None:
    """Note a conversion or a choice."""
    trace: Trace | None = getattr(_here, "trace", None)
    if listeners and trace is not None:
        trace.notes.append(text)


def is_dry() -> bool:
    """Whether kernels are being skipped in this thread."""
    trace: Trace | None = getattr(_here, "trace", None)
    return bool(listeners) and trace is not None and trace.dry
