"""The suites, as data: which cells each has, against whom, and for how long.

``kernels`` is everything, and tells what is faster and what is not; ``quick`` tells in under a minute whether something
broke; ``headlines`` is what polyglot-bridge 0.2.0 says of itself, measured here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fused_kernels.catalog import OPS
from workbench.bench.contenders import ALL
from workbench.bench.racing.memory import slots_of

from .suite import Cell


@dataclass(frozen=True)
class Plan:
    """What a suite is.

    Parameters
    ----------
    summary
        In a few words, for a list of the suites.
    ops
        Gives the names of its operations, in order.
    cells
        Gives the cells of one of them, not raced yet.
    contenders
        As in :func:`workbench.compare`.
    budget
        Seconds of racing for each cell.
    limits
        Whether the machine's ceilings and the operations' first starts are measured as well.
    """

    summary: str
    ops: Callable[[], list[str]]
    cells: Callable[[str], list[Cell]]
    contenders: str | tuple[str, ...] | None
    budget: float
    limits: bool = False


@dataclass(frozen=True)
class Headline:
    """A line of polyglot-bridge 0.2.0's README.

    Parameters
    ----------
    title
        As it is called there.
    cell
        The same here: its own shape and dtype, a new result, as it always makes one.
    claim
        How many times faster than NumPy it is said to be; None where no number stands beside it.
    """

    title: str
    cell: Cell
    claim: float | None


_NORM = Cell("layer_norm", (512, 768), "float64", False, without=("weight", "bias"))
HEADLINES = (
    Headline("Layer Normalization", _NORM, 1.99),
    Headline("Parallel Transform (10M)", Cell("scale", (10_000_000,), "float64", False), 1.77),
    Headline("Softmax (1000\N{MULTIPLICATION SIGN}1000)", Cell("softmax", (1000, 1000), "float64", False), 1.38),
    Headline("Fused linear + ReLU", Cell("linear", (1000, 512, 256), "float64", False), None),
)
"""The table of its README, and the example that it begins with.

Its numbers are from Windows with 8 cores. The table names no shape for the layer norm: it is that of the README's own
example, which has neither weight nor bias.
"""

_QUICK = ("layer_norm", "softmax", "linear", "scale", "gelu")


def plan_of(op: str) -> list[Cell]:
    """Return all cells of an operation: each shape in both dtypes, with ``out=`` and without."""
    found = OPS[op]
    smallest = found.sample(min(found.shapes, key=math.prod), np.dtype(np.float32), np.random.default_rng(0))
    # A sum or a record is written nowhere.
    outs = (True, False) if slots_of(found.reference(**smallest)) is not None else (False,)
    return [Cell(op, shape, dtype, out) for dtype in ("float32", "float64") for shape in found.shapes for out in outs]


def _quick(op: str) -> list[Cell]:
    return [Cell(op, shape, "float32", True) for shape in OPS[op].shapes[:2]]


PLANS = {
    "kernels": Plan(
        "every operation at all its shapes and dtypes against everyone, about half an hour",
        lambda: list(OPS),
        plan_of,
        ALL,
        2.0,
        limits=True,
    ),
    "headlines": Plan(
        "what polyglot-bridge says of itself, at its own shapes and dtypes, half a minute",
        lambda: [line.cell.op for line in HEADLINES],
        lambda op: [line.cell for line in HEADLINES if line.cell.op == op],
        ("numba", "numpy", "polyglot-bridge"),
        3.0,
    ),
    "quick": Plan(
        "a few cells of a few operations against the usual contenders, under a minute",
        lambda: list(_QUICK),
        _quick,
        None,
        0.5,
    ),
}
