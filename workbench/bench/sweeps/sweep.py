"""``wb.sweep``: race contenders at many sizes, and say from which size on whom to use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from workbench.bench.progress import SuiteProgress
from workbench.errors import RaceError

from .sweeping import PATIENCE, Inputs, growing
from .swept import Sweep


def sweep(
    op: str | Mapping[str, Callable[..., Any]],
    *,
    shapes: Iterable[Any] | None = None,
    dtypes: str | Sequence[str] = ("float32",),
    contenders: str | Iterable[str] | None = None,
    out: bool = True,
    budget: float = 1.0,
    inputs: Inputs | None = None,
    reference: str | None = None,
    patience: float = PATIENCE,
    seed: int = 0,
    progress: Callable[[SuiteProgress], object] | None = None,
) -> Sweep:
    """Race contenders at many sizes and return the record: time over size, and where the winner changes.

    Each size is a race as of :func:`workbench.compare`, with all its checks. Interrupting (Ctrl-C, or Jupyter's stop)
    ends the sweep and returns what is done by then.

    Parameters
    ----------
    op
        Name of an operation of the catalogue, or functions by name: ``{"mine": f, "theirs": g}``.
    shapes
        What to race on, from small to large. If None: from a few elements to four times what the last cache holds, each
        about four times the one before; where the winner changes, the sizes in between as well. Operations on elements
        go over flat arrays. Those on rows keep their usual length of a row (768, mostly) and have more and more rows;
        below that, one shorter row. Matrices keep the proportions of the operation's first shape. For functions: the
        numbers that ``inputs`` is called with, 16 to 4 million if None.
    dtypes
        Of the sample inputs.
    contenders
        Names, as in :func:`workbench.compare`.
    out
        Write into a preallocated ``out=``, those that can.
    budget
        Seconds of racing at each size and dtype, on top of preparing and checking. At least 7 rounds are run.
    inputs
        For functions: ``inputs(size)``, or ``inputs(size, dtype)``, returns the arguments: a tuple, or a dict by name.
    reference
        For functions: whose result is the truth, and whom the others are compared with; the first one if None.
    patience
        Seconds. A contender whose call would take longer at the next size, as its calls before let expect, stops; the
        table says so.
    seed
        Of the sample inputs and the order of the turns.
    progress
        Called with a :class:`~workbench.bench.progress.SuiteProgress` a few times a second.

    Raises
    ------
    workbench.errors.InputError
        For an unknown operation, contender, shape or dtype, and for functions without ``inputs``.
    workbench.errors.MissingLibraryError
        If a contender is named whose library is not installed.
    workbench.errors.RaceError
        If there is no size at which anyone can race.

    Examples
    --------
    >>> import numpy as np
    >>> functions = {"power": lambda x: x**3, "product": lambda x: x * x * x}
    >>> found = sweep(functions, inputs=lambda size: (np.ones(size),), shapes=[10, 1000], budget=0)
    >>> [point.size for point in found.points], found.contenders
    ([10.0, 1000.0], ['power', 'product'])
    """
    found: Sweep | None = None
    running = growing(
        op,
        shapes=shapes,
        dtypes=dtypes,
        contenders=contenders,
        out=out,
        budget=budget,
        inputs=inputs,
        reference=reference,
        patience=patience,
        seed=seed,
        progress=progress,
    )
    try:
        for so_far in running:
            found = so_far
    except KeyboardInterrupt:
        if found is None or not found.races:
            raise
    assert found is not None
    if not found.races:
        raise RaceError(f"No size could be raced: {found.points[0].failure}")
    return found
