"""What can go wrong in a call: every message says what came, which rule it broke and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class KernelError(Exception):
    """Base of all errors of ``fused_kernels``."""


class ShapeError(KernelError, ValueError):
    """Shapes or an axis that do not fit together."""


class DtypeError(KernelError, TypeError):
    """A dtype or a kind of array that the operation does not take."""


class FormulaError(KernelError):
    """A Python function that cannot become a kernel; the message names the line."""


class UnknownOperationError(KernelError, KeyError):
    """A name that is not in the catalogue."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        self.message = f"There is no operation {name!r}.{hint} The catalogue has: {', '.join(sorted(known))}."
        super().__init__(self.message)
        self._arguments = (name, tuple(known))

    def __reduce__(self) -> tuple[type[UnknownOperationError], tuple[str, tuple[str, ...]]]:
        return type(self), self._arguments

    def __str__(self) -> str:
        return self.message
