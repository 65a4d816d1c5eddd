"""What kind of thing a result is: arrays of the dtype that is due, or something that works only when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.bench.racing import check
from workbench.bench.racing.tolerances import narrower

from .shot import Shot


def fault_of(shot: Shot, due: Sequence[str]) -> str:
    """Return in words which narrower dtype a result has than is due; a wider one is fine."""
    for leaf, expected in zip(shot.kinds, due, strict=False):
        if narrower(leaf.dtype, expected):
            return f"returns {leaf.dtype} where {expected} is due"
    return ""


def wait_for(shot: Shot) -> Callable[[Any], Any] | None:
    """Return what makes a call's result real, to be called inside the clock; None where it is when it returns.

    JAX's arrays are computed in the background, and an object of an unknown library may be, or when it is read.
    """
    if any(leaf.foreign for leaf in shot.kinds):
        return check.typed_leaves
    if any(leaf.waits for leaf in shot.kinds):
        return wait_for_all
    return None


def wait_for_all(returned: Any) -> None:
    """Wait for all of JAX's arrays in a value."""
    if hasattr(returned, "block_until_ready"):
        returned.block_until_ready()
    elif isinstance(returned, Mapping):
        wait_for_all(list(returned.values()))
    elif isinstance(returned, list | tuple):
        for each in returned:
            wait_for_all(each)
    elif hasattr(returned, "__dataclass_fields__"):
        wait_for_all([getattr(returned, name) for name in returned.__dataclass_fields__])
