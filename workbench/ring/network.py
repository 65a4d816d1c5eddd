"""What the kernels of a runtime share: each other by name, correlation ids, dead letters; and what a fork leaves."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from typing import TYPE_CHECKING

from .dead_letters import DeadLetters

if TYPE_CHECKING:
    from .kernel import Kernel
    from .traffic import Traffic


class Network:
    """The kernels of one runtime; it knows neither the runtime nor handles, which can therefore be collected.

    Parameters
    ----------
    dead_letters
        So many dead letters are kept.
    """

    def __init__(self, dead_letters: int) -> None:
        self.kernels: dict[str, Kernel] = {}
        self.dead_letters = DeadLetters(dead_letters)
        self.ids = itertools.count(1)
        self.closed = False
        self.lock = threading.Lock()
        _remember(self)

    def forget(self, kernel: Kernel) -> None:
        """Let the name of a terminated kernel be used again."""
        if self.kernels.get(kernel.name) is kernel:
            self.kernels.pop(kernel.name, None)

    def abandon(self) -> None:
        """Let all kernels run what waits and end; called by a collection of garbage, so without any lock."""
        for kernel in list(self.kernels.values()):
            kernel.abandoned = True
            kernel.worker.poke()

    def begin_again(self) -> None:
        """Begin anew in a forked child: its threads are the parent's, its locks may be taken, its callers are there."""
        self.lock = threading.Lock()
        self.dead_letters.begin()
        for kernel in self.kernels.values():
            kernel.begin()


def callers() -> tuple[Traffic, ...]:
    """Return the kernels whose handlers run in this thread, or wait for what runs in it."""
    thread = threading.get_ident()
    found: list[Traffic] = []
    for reference in list(_networks):
        if (network := reference()) is not None:
            for kernel in list(network.kernels.values()):
                if kernel.runner == thread:
                    found += [kernel, *kernel.chain]
    return tuple(found)


_networks: set[weakref.ref[Network]] = set()
_watching: list[bool] = []


def _remember(network: Network) -> None:
    _networks.add(weakref.ref(network, _networks.discard))
    if not _watching and hasattr(os, "register_at_fork"):
        _watching.append(True)
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    for reference in list(_networks):
        if (network := reference()) is not None:
            network.begin_again()
