"""Which machine something was measured on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_OF_THE_MACHINE = ("cpu", "cores", "simd", "caches")


def machine(environment: Mapping[str, Any] | None = None) -> str:
    """Return the identity of a machine: twelve digits that are the same for what computes alike.

    It is a digest of the CPU, how many of its cores may be used, its vector unit and its caches. No host name, address
    or serial number takes part, so a container that is made anew is the same machine, and nobody is told which one.

    Parameters
    ----------
    environment
        That of a :class:`~workbench.bench.race.Race`; this machine's if None.
    """
    if environment is None:
        from .environment import environment as here

        environment = here()
    facts = {name: environment.get(name) for name in _OF_THE_MACHINE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:12]
