"""The kernels of a runtime as a live table: states with the steps that may follow, what waits, counts, latencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from workbench.ring.metrics import KernelMetrics, KernelStatus
from workbench.ring.states import STEPS, State
from workbench.text import format_count, format_seconds

VERBS = {State.ACTIVE: "activate", State.DEACTIVATED: "deactivate", State.TERMINATED: "terminate"}
"""What takes a kernel to a state."""
FORGET = "forget"
"""What takes one that is terminated off the board."""
COLUMNS = ("waiting", "replies", "answered", "failed", "refused", "timed out", "dead", "p50", "p95", "p99")
_WHOLE = 100_000
"""Counts from here on are written in thousands."""


class RingBoard(anywidget.AnyWidget):
    """Two lines for each kernel: what it is, with buttons for its next steps, and its numbers under their heads.

    Parameters
    ----------
    step
        Called with the name of a kernel and a verb when a button is pressed.

    Attributes
    ----------
    chosen
        The name of the kernel that is pressed; empty if none is.
    """

    _esm = Path(__file__).parent / "board.js"
    _columns = traitlets.List(traitlets.Unicode(), list(COLUMNS)).tag(sync=True)
    _rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)

    def __init__(self, step: Callable[[str, str], None]) -> None:
        super().__init__()
        self._step = step
        self.on_msg(self._asked)

    def show(self, kernels: Sequence[tuple[KernelStatus, KernelMetrics]]) -> None:
        """Show kernels; one that is chosen and no longer there is let go."""
        self._rows = [row(status, metrics) for status, metrics in kernels]
        if self.chosen not in {status.name for status, _ in kernels}:
            self.chosen = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is shown, as :func:`row` makes it."""
        return list(self._rows)

    def _asked(self, _: Any, asked: dict[str, Any], __: Any) -> None:
        self._step(str(asked.get("kernel", "")), str(asked.get("verb", "")))


def row(status: KernelStatus, metrics: KernelMetrics) -> dict[str, Any]:
    """Return what is shown of a kernel: words, and which of them are no news."""
    steps = [VERBS[state] for state in STEPS[status.state]] or [FORGET]
    counts = (metrics.answered, metrics.failed, metrics.refused, metrics.timed_out, metrics.dead)
    times = metrics.latency[:3] if metrics.latency is not None else (None,) * 3
    cells = [
        f"{_count(status.waiting)} of {_count(status.capacity)}",
        _count(status.replies),
        *map(_count, counts),
        *("" if value is None else format_seconds(value) for value in times),
    ]
    words = [status.runs, "" if status.device == "cpu" else status.device]
    words += [f"goes on to {status.route}" if status.route else "", _deaths(status), status.reason]
    return {
        "name": status.name,
        "state": str(status.state),
        "about": " \N{MIDDLE DOT} ".join(filter(None, words)),
        "steps": steps,
        "cells": cells,
        "quiet": [not status.waiting, not status.replies, *(not count for count in counts), False, False, False],
        "full": min(status.waiting / status.capacity, 1.0),
    }


def _deaths(status: KernelStatus) -> str:
    return f"restarted {status.restarts} of at most {status.max_restarts} times" if status.restarts else ""


def _count(count: int) -> str:
    return f"{count:,}" if count < _WHOLE else format_count(count)
