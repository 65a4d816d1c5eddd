"""The race: contenders, clock, statistics and the record of a run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.ring.audit import ring

__all__ = ["ring"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # By text: kernels know pipelines, which know the clock and the statistics of this package.
    return importlib.import_module("workbench.ring.audit").ring
