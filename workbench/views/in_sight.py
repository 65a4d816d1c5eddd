"""Looks at what changes by itself, as long as somebody can see it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .jobs import loop

LEASE = 40.0
"""Seconds after which a page that says nothing counts as closed; one that is seen says so every 15."""


class InSight(anywidget.AnyWidget):
    """An invisible widget that calls a function several times a second while the panel around it is seen.

    The browser tells when the panel comes into sight and when it leaves it: by scrolling, behind another tab, with the
    window. Out of sight nothing runs, neither here nor there, and no page means out of sight.

    Parameters
    ----------
    look
        Called in the thread of the jobs; must be quick, and not raise.
    every
        Seconds between two calls.

    Attributes
    ----------
    seen
        Counts what the browser says; 0 says that the panel left its sight.
    """

    _esm = Path(__file__).parent / "in_sight.js"
    seen = traitlets.Int(0).tag(sync=True)

    def __init__(self, look: Callable[[], None], every: float = 0.25) -> None:
        super().__init__()
        self.layout.display = "none"
        self._look, self._every = look, every
        self._lock, self._until, self._looking = threading.Lock(), 0.0, False
        self.observe(self._told, "seen")

    @property
    def looking(self) -> bool:
        """Whether it is looking."""
        return self._looking

    def close(self) -> None:
        """Look no more."""
        self._until = 0.0
        super().close()

    def _told(self, change: Any) -> None:
        with self._lock:
            self._until = time.monotonic() + LEASE if change["new"] else 0.0
            if self._looking or not change["new"]:
                return
            self._looking = True
        asyncio.run_coroutine_threadsafe(self._watch(), loop())

    async def _watch(self) -> None:
        while True:
            with self._lock:
                if time.monotonic() >= self._until:
                    self._looking = False
                    return
            self._look()
            await asyncio.sleep(self._every)
