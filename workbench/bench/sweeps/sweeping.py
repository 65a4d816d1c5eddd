"""The course of a sweep: one race after the other, each with those who are still fast enough."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Shape
from fused_kernels.errors import UnknownOperationError
from workbench.bench import contenders as entrants
from workbench.bench.progress import Progress, SuiteProgress
from workbench.bench.racing import contest as contests
from workbench.bench.racing.check import leaves
from workbench.bench.racing.contest import Contest, parse_shape
from workbench.bench.racing.own_contest import of_functions
from workbench.bench.racing.run import TOO_SLOW
from workbench.bench.racing.single import single
from workbench.errors import InputError, WorkbenchError
from workbench.text import format_seconds, format_sizes

from .sizes import PLAIN, Axis, axis_of, between, ladder, numbers
from .swept import BASE, Point, Stop, Sweep

PATIENCE = 1.0
"""Seconds; who would take longer for one call at the next size stops."""
_HALVINGS = 2
"""How often the gap in which the winner changes is raced half-way: after two it is a factor of 1.4 wide, not 4."""

Inputs = Callable[..., Any]


def growing(
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
) -> Iterator[Sweep]:
    """Yield the sweep so far, first without a point and then after each.

    Parameters and errors are those of :func:`workbench.sweep`.
    """
    if not 0 <= budget < math.inf or not patience > 0:
        raise InputError(f"A sweep needs a budget and patience in seconds; got budget={budget!r}, {patience=}.")
    kinds = [dtypes] if isinstance(dtypes, str) else list(dict.fromkeys(dtypes))
    if not kinds:
        raise InputError("A sweep needs a dtype, such as dtypes=['float32'].")
    if isinstance(op, str):
        if inputs is not None:
            raise InputError(f"inputs= belongs to functions; {op} makes its own for each shape.")
        question: _Operation | _Functions = _Operation(op, contenders)
    elif isinstance(op, Mapping):
        question = _Functions(op, inputs, reference, kinds)
    else:
        raise InputError(f"sweep takes the name of an operation or {{name: function}}; got {type(op).__name__}.")
    given = None if shapes is None else _given(shapes, question.axis)
    run = _Run(question, Sweep(question.name, question.axis, question.names, question.base), progress)
    run.found = replace(run.found, absent=question.absent)
    kinds = question.kinds(kinds, given)
    plan = {kind: given or question.ladder(kind) for kind in kinds}
    run.planned = sum(map(len, plan.values()))
    settings = _Settings(out, float(budget), seed, patience)
    yield run.sweep
    for kind, rungs in plan.items():
        for place, shape in enumerate(rungs):
            running = run.still_running(kind, shape, patience)
            if not running:
                run.planned -= len(rungs) - place
                yield run.sweep
                break
            run.add(_point(run, shape, kind, running, settings))
            yield run.sweep
        for _ in range(0 if given else _HALVINGS):
            for shape in run.gaps(kind):
                run.planned += 1
                run.add(_point(run, shape, kind, run.still_running(kind, shape, patience), settings))
                yield run.sweep


@dataclass(frozen=True)
class _Settings:
    out: bool
    budget: float
    seed: int
    patience: float


class _Operation:
    """An operation of the catalogue, at any shape."""

    def __init__(self, name: str, names: str | Iterable[str] | None) -> None:
        try:
            self._op = OPS[name]
        except UnknownOperationError as error:
            raise InputError(str(error)) from error
        names = names if names is None or isinstance(names, str) else list(names)
        self.name, self.axis = name, axis_of(self._op)
        self.names = tuple(contender.name for contender in entrants.choose(self._op, names))
        self.absent = entrants.absent(self._op, names)
        self.base = BASE if BASE in self.names else self.names[0]

    def kinds(self, dtypes: list[str], shapes: list[Shape] | None) -> list[str]:
        return list(map(str, dtypes))

    def ladder(self, dtype: str) -> list[Shape]:
        if dtype not in self._op.tolerance:
            raise InputError(f"{self.name} is not raced in {dtype!r}; it has: {', '.join(self._op.tolerance)}.")
        return ladder(self._op, dtype)

    def contest(self, shape: Shape, dtype: str, running: list[str], rng: np.random.Generator) -> Contest:
        return contests.of_operation(self.name, shape=shape, dtype=dtype, names=running, inputs=None, rng=rng)


class _Functions:
    """The user's functions, at any size."""

    name, axis = "custom", PLAIN

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        inputs: Inputs | None,
        reference: str | None,
        dtypes: list[str],
    ) -> None:
        if not callable(inputs):
            raise InputError("Sweeping functions needs inputs=, a function of the size that returns their arguments.")
        self._typed = _takes_two(inputs)
        if len(dtypes) > 1 and not self._typed:
            raise InputError("For more than one dtype inputs= must take it too: inputs(size, dtype).")
        self._functions, self._inputs, self._reference = functions, inputs, reference
        self.names = tuple(functions)
        self.absent: dict[str, str] = {}
        self.base = next(iter(functions), "") if reference is None else reference

    def kinds(self, dtypes: list[str], shapes: list[Shape] | None) -> list[str]:
        """Return the dtypes, which the inputs decide where they are not told."""
        if self._typed:
            return dtypes
        arrays = leaves(self._inputs((shapes or numbers())[0][0]))
        return [arrays[0].dtype.name if arrays else "object"]

    def ladder(self, dtype: str) -> list[Shape]:
        return numbers()

    def contest(self, shape: Shape, dtype: str, running: list[str], rng: np.random.Generator) -> Contest:
        (size,) = shape
        inputs = self._inputs(size, dtype) if self._typed else self._inputs(size)
        contest = of_functions(self._functions, inputs=inputs, reference=self._reference, rng=rng)
        # The reference still says what is right where it has become too slow to race.
        return replace(contest, field=tuple(one for one in contest.field if one.name in running))


@dataclass
class _Run:
    """A sweep that grows."""

    question: _Operation | _Functions
    found: Sweep
    progress: Callable[[SuiteProgress], object] | None
    planned: int = 0
    began: float = field(default_factory=time.perf_counter)

    @property
    def sweep(self) -> Sweep:
        return replace(self.found, planned=self.planned)

    def add(self, point: Point) -> None:
        dtypes = [*self.found.dtypes, point.dtype]
        points = sorted([*self.found.points, point], key=lambda one: (dtypes.index(one.dtype), one.size))
        self.found = replace(self.found, points=tuple(points))

    def say(self, what: str) -> None:
        if self.progress is not None:
            done = len(self.found.points)
            left = (time.perf_counter() - self.began) / done * (self.planned - done) if done else None
            self.progress(SuiteProgress(done, self.planned, what, left))

    def still_running(self, dtype: str, shape: Shape, patience: float) -> list[str]:
        """Return who races at a shape; who is expected to take too long is noted as having stopped."""
        size = self.found.axis.size(shape)
        stopped = {stop.contender for stop in self.found.stops if stop.dtype == dtype and stop.size <= size}
        running = []
        for name in self.question.names:
            expected = _expected(self.found, name, dtype, size)
            if name not in stopped and expected > patience:
                self.stop(name, dtype, shape, f"one call would take about {format_seconds(expected)}")
            elif name not in stopped:
                running.append(name)
        return running

    def stop(self, name: str, dtype: str, shape: Shape, reason: str) -> None:
        stop = Stop(name, dtype, self.found.axis.size(shape), shape, reason)
        self.found = replace(self.found, stops=(*self.found.stops, stop))

    def gaps(self, dtype: str) -> list[Shape]:
        """Return shapes half-way between those between which the base loses or wins back its place."""
        shapes = {point.size: point.shape for point in self.found.points if point.dtype == dtype}
        axis, middles = self.found.axis, []
        for duel in self.found.main_duels(dtype):
            for one in duel.crossovers:
                left = max(size for size in duel.sizes if size <= one.size)
                right = min(size for size in duel.sizes if size >= one.size)
                middles.append(between(shapes[left], shapes[right]))
        return [shape for shape in dict.fromkeys(middles) if axis.size(shape) not in shapes]


def _point(run: _Run, shape: Shape, dtype: str, running: list[str], settings: _Settings) -> Point:
    """Race at one shape, and return the point."""
    what = f"{run.question.name} {format_sizes(shape)} {dtype}"

    def report(step: Progress) -> None:
        run.say(f"{what}: {step}")

    point = Point(run.found.axis.size(shape), shape, dtype)
    try:
        found = single(
            lambda rng: run.question.contest(shape, dtype, running, rng),
            out=settings.out,
            budget=settings.budget,
            seed=settings.seed,
            # Who is slower than was to be expected is found out by the first calls, before the rounds.
            patience=4 * settings.patience,
            progress=report,
        )
    except (WorkbenchError, MemoryError) as error:
        if not run.found.races and not isinstance(error, MemoryError):
            raise
        return replace(point, failure=str(error) or type(error).__name__)
    for name in running:
        _, slow, takes = found.absent.get(name, "").partition(TOO_SLOW)
        if slow:
            run.stop(name, dtype, shape, takes)
    return replace(point, race=found)


def _expected(sweep: Sweep, name: str, dtype: str, size: float) -> float:
    """Return the seconds that a call of a contender will take at a size, from its last two sizes below it."""
    known = [
        (math.log(at), math.log(result.median))
        for at, found in sweep.of(dtype)
        for result in found.results
        if result.contender == name and at < size
    ]
    if len(known) < 2:
        return 0.0
    (x0, y0), (x1, y1) = known[-2:]
    # A step over the edge of a cache is steeper than what follows.
    growth = min(max((y1 - y0) / (x1 - x0), 0.0), 1.5 * sweep.axis.growth)
    return math.exp(y1 + growth * (math.log(size) - x1))


def _given(shapes: Iterable[Any], axis: Axis) -> list[Shape]:
    """Return the shapes that were asked for, ascending by size."""
    if isinstance(shapes, str) or not isinstance(shapes, Iterable):
        raise InputError(f"shapes= takes a list of shapes, such as [(64, 768), '512x768']; got {shapes!r}.")
    found: dict[float, Shape] = {}
    for shape in map(parse_shape, shapes):
        if axis is PLAIN and len(shape) != 1:
            raise InputError(f"Functions are swept over single sizes, such as shapes=[100, 1000]; got {shape}.")
        size = axis.size(shape)
        if found.setdefault(size, shape) != shape:
            raise InputError(
                f"A sweep goes over size, and {format_sizes(found[size])} and {format_sizes(shape)} have the same of "
                f"{axis.words(size)}: leave one out."
            )
    if not found:
        raise InputError("A sweep needs shapes; shapes=None takes the usual ones.")
    return [found[size] for size in sorted(found)]


def _takes_two(inputs: Inputs) -> bool:
    try:
        inspect.signature(inputs).bind(1, "float32")
    except (TypeError, ValueError):
        return False
    return True
