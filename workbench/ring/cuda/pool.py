"""The persistent kernels of a runtime: one, and another when all its rings are taken; none while nobody has a ring."""

from __future__ import annotations

import threading

from .facts import Facts, why_not_persistent
from .program import Program
from .ring import Ring


class Pool:
    """Gives out rings.

    Parameters
    ----------
    device
        The number of the GPU.
    facts
        Of it.
    """

    def __init__(self, device: int, facts: Facts) -> None:
        self.device, self.facts = device, facts
        obstacle = why_not_persistent(facts)
        self.how = "by a launch for each batch of messages" if obstacle else "in a persistent kernel"
        """In what way messages are run, for a person."""
        self.why = f"{self.how} on {facts.name}{f', since {obstacle}' if obstacle else ''}"
        """The same of the whole, with the reason."""
        self._lock = threading.Lock()
        self._programs: list[Program] = []

    def ring(self) -> Ring:
        """Return a ring that nobody has."""
        with self._lock:
            self._programs = [program for program in self._programs if not program.lost]
            for program in self._programs:
                if (ring := program.ring()) is not None:
                    return ring
            self._programs.append(Program(self.device, self.facts))
            ring = self._programs[-1].ring()
            assert ring is not None
            return ring

    def give_back(self, ring: Ring) -> None:
        """Take a ring back; the last one of a persistent kernel ends it."""
        program = ring.program
        with self._lock:
            program.give_back(ring)
            if program.unused or program.lost:
                self._programs = [one for one in self._programs if one is not program]
                program.close()
