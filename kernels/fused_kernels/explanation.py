"""Say which implementation a call would run, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import trace
from .catalog import OPS


@dataclass(frozen=True)
class Explanation:
    """What a call would do.

    Parameters
    ----------
    operation
        Its name.
    implementation
        ``"numba"``; ``"cuda"`` for arrays on a GPU; ``"numpy"`` where there is no kernel for the dtype; ``"none"`` if
        there is nothing to compute.
    form
        The form of the loop: ``"serial"``, ``"parallel"``, ``"streaming"``, ``"staged"`` or ``"strided"`` (see
        `cpu.loops`), or that of a matrix product (see `cpu.gemm.cut` and `cpu.gemm.stack`); on a GPU the variant:
        ``"warp"``, ``"block"``, ``"streaming"``, ``"several blocks"`` and others (see `cuda`).
    notes
        Why, and what is copied or converted on the way.
    rejected
        The other implementations by name, and why each would not run.
    """

    operation: str
    implementation: str
    form: str
    notes: tuple[str, ...]
    rejected: Mapping[str, str]

    def __str__(self) -> str:
        chosen = f"{self.operation}: {self.implementation}" + (f", {self.form}" if self.form else "")
        others = (f"  not {name}: {reason}" for name, reason in self.rejected.items())
        return "\n".join([chosen, *(f"  {note}" for note in self.notes), *others])

    __repr__ = __str__


def explain(operation: str | Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Return which implementation ``operation(*args, **kwargs)`` would run; nothing is computed.

    Parameters
    ----------
    operation
        A name of the catalogue, or the public function.
    *args, **kwargs
        As in the call.

    Raises
    ------
    KernelError
        Whatever the call itself would raise.

    Examples
    --------
    >>> import numpy as np
    >>> explain("softmax", np.zeros((8, 64), np.float32))
    softmax: numba, serial
      2048 bytes: too few for threads
      not numpy: it takes over only where there is no kernel for the dtype
      not cuda: the arrays lie on the CPU
    """
    name = operation if isinstance(operation, str) else getattr(operation, "__name__", repr(operation))
    function = OPS[name].function
    with trace.tracing(dry=True) as found:
        function(*args, **kwargs)
    chosen = found.implementation or "none"
    reasons = dict(_REJECTED.get(chosen, {}))
    if found.form == "blas":
        reasons["numba"] = "NumPy's BLAS is as fast for these shapes"
    return Explanation(name, chosen, found.form, tuple(found.notes), reasons)


_NO_CUDA = "the arrays lie on the CPU"
_ON_CUDA = "the arrays lie on a GPU"
_REJECTED = {
    "numba": {"numpy": "it takes over only where there is no kernel for the dtype", "cuda": _NO_CUDA},
    "numpy": {"numba": "no kernel for this dtype", "cuda": _NO_CUDA},
    "cuda": {"numba": _ON_CUDA, "numpy": _ON_CUDA},
}
