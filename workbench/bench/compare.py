"""``wb.compare``: race contenders on one operation, check their results, and return the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from workbench.errors import InputError

from .contenders import ALL
from .devices import Device, find
from .progress import Report, Reporter
from .race import Race
from .racing import contest as contests
from .racing.own_contest import of_functions
from .racing.run import race


def compare(
    op: str | Mapping[str, Callable[..., Any]],
    *,
    shape: Any = None,
    dtype: Any = "float32",
    contenders: str | Iterable[str] | None = None,
    inputs: Any = None,
    reference: str | None = None,
    out: bool = True,
    cache: Literal["warm", "cold"] = "warm",
    budget: float = 3.0,
    interval: float = 0.005,
    rounds: int | None = None,
    seed: int = 0,
    progress: Report | None = None,
    device: str | Device = "cpu",
) -> Race:
    """Race contenders on one operation and return the record.

    All compute the same thing in turns, in a new random order each round, so that what disturbs the machine disturbs
    all. Each result is checked before and after against the truth in float64, and each input for having been changed.
    A contender that is wrong, or only seems to compute, stays in the record: ``race["mine"].right`` is False,
    ``race["mine"].fault`` says why, and no verdict names it the winner.

    Parameters
    ----------
    op
        Name of an operation of the catalogue, or functions by name: ``{"mine": f, "theirs": g}``.
    shape
        Of the sample inputs: ``(512, 768)`` or ``"512x768"``; the operation's first one if None.
    dtype
        Of the sample inputs; on a GPU also float16 and bfloat16.
    contenders
        Names out of numba, numpy, torch, onnxruntime, torch.compile, jax, numexpr and polyglot-bridge; on a GPU out of
        fused, cupy, torch, torch.compile, triton, liger and fused-cupy. None is the first four, on a GPU the first six,
        those of them that are installed; ``"all"`` is all that are. :attr:`Race.absent` names the others.
    inputs
        Arrays to race on instead of a sample: by name for an operation, for functions a dict (by name) or a tuple. Or
        a function ``inputs(rng)`` that makes such, by which each round gets new ones; without it the values of a round
        differ from those of another by the last bits of a few elements.
    reference
        For functions: whose result on float64 inputs is the truth; the first one's if None. Where it does not take
        float64, its own result is.
    out
        Write into a preallocated ``out=``, those that can; ``race.conditions["out"]`` says who did. It is a tuple for
        an operation that returns one, and there is none for one that returns a number or a record.
    cache
        ``"warm"``: each call finds its arrays as the call before left them. ``"cold"``: the calls go through so many
        places of memory, twice the last cache, that none of a call's arrays is in a cache.
    budget
        Seconds of racing at the most, on top of preparing and checking. At least 7 rounds are run.
    interval
        A race ends earlier when all ratios are known so well: half the width of their 95 % intervals, as a share of
        the ratio. 0 uses the whole budget.
    rounds
        Run exactly so many rounds, whatever the time.
    seed
        Of the sample inputs and the order of the turns.
    progress
        Called with a :class:`~workbench.bench.progress.Progress` a few times a second.
    device
        ``"cuda"`` races on the GPU: on arrays that lie there, by the device's own time, with the host's beside it in
        :attr:`Result.on_device <workbench.bench.race.Result.on_device>`. ``cache="cold"`` then empties the second-level
        cache before each call. Functions get tensors of torch where torch sees the GPU, else arrays of CuPy; who gives
        arrays of CuPy as inputs gets such. A :class:`~workbench.bench.devices.Device` is taken, too.

    Raises
    ------
    workbench.errors.InputError
        For an unknown operation, contender, shape or dtype, and for ``device="cuda"`` without a GPU.
    workbench.errors.MissingLibraryError
        If a contender is named whose library is not installed, or no library reaches the GPU.
    workbench.errors.RaceError
        If a contender that was named, or a function, fails.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 1000)
    >>> race = compare({"power": lambda x: x**3, "product": lambda x: x * x * x}, inputs=(x,), budget=0)
    >>> race.conditions["rounds"] >= 7, race["product"].right
    (True, True)
    """
    if isinstance(contenders, Mapping):
        raise InputError("contenders= takes names; functions race with compare({name: function, ...}, inputs=(x,)).")
    if contenders is not None and not isinstance(contenders, Iterable):
        raise InputError(f"contenders= takes a list of names; got {contenders!r}.")
    whole = rounds is None or (isinstance(rounds, Integral) and not isinstance(rounds, bool) and rounds >= 1)
    if not _is_number(budget) or not 0 <= budget < float("inf") or not whole:
        raise InputError(
            f"A race needs a budget in seconds and at least one round; got budget={budget!r}, rounds={rounds!r}."
        )
    if not _is_number(interval) or not 0 <= interval < 1:
        raise InputError(f"interval= is half the width of the ratios' intervals, from 0 to 1; got {interval!r}.")
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed= is a whole number of at least 0; got {seed!r}.")
    if progress is not None and not callable(progress):
        raise InputError(f"progress= is a function that is called with where the race stands; got {progress!r}.")
    if isinstance(op, Mapping) and not all(isinstance(name, str) for name in op):
        raise InputError(f"Functions race by name, as {{'mine': f}}; got the names {', '.join(map(repr, op))}.")
    if cache not in ("warm", "cold"):
        raise InputError(f"cache= is 'warm' or 'cold'; got {cache!r}.")
    place = find(device, inputs)
    rng = np.random.default_rng(seed)
    report = Reporter(progress, budget)
    report.step("preparing", None)
    if isinstance(op, str):
        contest = contests.of_operation(
            op, shape=shape, dtype=dtype, names=contenders, inputs=inputs, rng=rng, device=place
        )
    elif isinstance(op, Mapping):
        contest = of_functions(op, inputs=inputs, reference=reference, rng=rng, device=place)
    else:
        raise InputError(f"compare takes the name of an operation or {{name: function}}; got {type(op).__name__}.")
    named = contenders not in (None, ALL)
    with contest.current():
        return race(
            contest,
            out=out,
            budget=budget,
            interval=interval,
            cold=cache == "cold",
            rounds=rounds,
            rng=rng,
            seed=seed,
            strict=named,
            report=report,
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
