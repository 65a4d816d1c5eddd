"""Long sums without an error that grows with their length."""

from __future__ import annotations

import math
from typing import Any

from .compile import inline


# Without reassociation, under which nothing would seem to be lost.
@inline
def added(total: Any, lost: Any, term: Any) -> Any:
    """Return ``total + term`` and what its last digit could not hold, to be handed to the next step as ``lost``.

    Kahan, Further remarks on reducing truncation errors, 1965. An infinite total stays what it is.
    """
    term = term - lost
    new = total + term
    rest = (new - total) - term
    return new, type(rest)(0) if math.isnan(rest) else rest
