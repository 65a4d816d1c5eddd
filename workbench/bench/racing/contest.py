"""What is raced: one question (inputs, truth, tolerance) that all contenders answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Inputs, Op, Shape
from fused_kernels.errors import KernelError, UnknownOperationError
from workbench.bench import contenders
from workbench.bench.contenders import Contender
from workbench.bench.contenders.functions import bound, contender
from workbench.errors import InputError, RaceError

from . import tolerances
from .check import leaves, rounded
from .memory import Slots, own_copies, slots_of
from .questions import Question


@dataclass(frozen=True)
class Contest:
    """One question and those who answer it.

    Parameters
    ----------
    name
        Of the operation, or ``"custom"``.
    op
        The operation of the catalogue; None for the user's functions.
    shape, dtype
        Of the sample, or of the first array among the inputs.
    first
        The values that are raced on, and the truth: in float64 where the reference takes that; for float64 inputs
        computed in long double.
    truth_from
        Whose answer that is, in words.
    truth_seconds
        What the truth took to compute.
    plain
        ``plain(inputs)`` is the reference's own result, in its own dtype.
    sampled
        Whether the inputs are a sample of the operation's own.
    fresh
        ``fresh(rng)`` makes other inputs of the same kind; None where nothing tells how.
    expected
        What a result is written into, for ``out=``; None where it is neither an array nor a tuple of them.
    due
        The dtypes of the result's arrays; empty for one that has none.
    field
        The contenders.
    absent
        Those that cannot run, with the reason.
    watched
        Functions whose code no contender may replace: the reference and the other contenders.
    """

    name: str
    op: Op | None
    shape: Shape
    dtype: str
    first: Question
    truth_from: str
    truth_seconds: float
    plain: Callable[[Inputs], Any]
    sampled: bool
    fresh: Callable[[np.random.Generator], Inputs] | None
    expected: Slots
    due: tuple[str, ...]
    field: tuple[Contender, ...]
    absent: Mapping[str, str]
    watched: tuple[Any, ...] = ()

    @property
    def inputs(self) -> Inputs:
        """By name; positional ones are named ``0``, ``1``, ..."""
        return self.first.inputs

    def question(self, inputs: Inputs, *, strict: bool) -> Question:
        """Return the question of other inputs; its truth is computed when it is asked for."""
        return self.first.like(inputs, strict=strict)

    @property
    def described(self) -> str:
        """The inputs in words, for messages: ``layer_norm (x: float32 (512, 768))``."""
        return f"{self.name} ({_described(self.inputs)})"


def of_operation(
    name: str, *, shape: Any, dtype: Any, names: str | Iterable[str] | None, inputs: Any, rng: np.random.Generator
) -> Contest:
    """Return the contest of an operation of the catalogue, on sample inputs or on the given ones."""
    try:
        op = OPS[name]
    except UnknownOperationError as error:
        raise InputError(str(error)) from error
    field = tuple(contenders.choose(op, names))
    kind = _dtype(dtype)
    fresh: Callable[[np.random.Generator], Inputs] | None = None
    sampled = inputs is None
    if sampled:
        shape = op.shapes[0] if shape is None else parse_shape(shape)
        fresh = partial(_sample, op, shape, kind)
        inputs = fresh(rng)
    elif callable(inputs):
        fresh = inputs
        inputs = fresh(rng)
    if not isinstance(inputs, Mapping):
        raise InputError(f"The inputs of {op.name} go by name, as a dict; got {type(inputs).__name__}.")
    inputs = dict(inputs) if sampled else own_copies(inputs)
    if not sampled:
        shape, kind = _first_array(inputs)
    tolerance = op.tolerance.get(kind.name)
    if tolerance is None:
        raise InputError(f"{op.name} has no float64 check for {kind.name}; it has: {', '.join(op.tolerance)}.")

    def plain(inputs: Inputs) -> Any:
        return op.reference(**own_copies(inputs))

    try:
        begin = time.perf_counter()
        truth = rounded(op.truth(**own_copies(inputs)))
        seconds = time.perf_counter() - begin
        # On a sample the results have its dtype; at 64 MB the reference can take seconds that say no more than that.
        result = truth if sampled else plain(inputs)
    except (KernelError, TypeError, ValueError) as error:
        raise InputError(f"{op.name} does not take these inputs ({_described(inputs)}): {error}") from error
    first = Question(
        inputs,
        answer=lambda inputs: rounded(op.truth(**inputs)),
        allowed=lambda truth: tolerances.for_all(tolerance, kind, truth),
        strict=True,
        truth=truth,
    )
    return Contest(
        name=op.name,
        op=op,
        shape=shape,
        dtype=kind.name,
        first=first,
        truth_from="float64",
        truth_seconds=seconds,
        plain=plain,
        sampled=sampled,
        fresh=fresh,
        expected=slots_of(result, kind if sampled else None),
        due=tolerances.due(result, inputs, kind.name if sampled else None),
        field=field,
        absent=contenders.absent(op, names),
        watched=(op.function, op.reference),
    )


def of_functions(
    functions: Mapping[str, Callable[..., Any]],
    *,
    inputs: Any,
    reference: str | None,
    rng: np.random.Generator | None = None,
) -> Contest:
    """Return the contest of the user's functions; the first one is trusted if ``reference`` is None."""
    for name, function in functions.items():
        if not callable(function):
            raise InputError(f"{name!r} is no function but {type(function).__name__}; give {{name: function}}.")
    if not functions:
        raise InputError("There is nothing to race; give {name: function}.")
    if inputs is None:
        raise InputError("Racing functions needs inputs=: a tuple goes by position, a dict by name.")
    trusted = next(iter(functions)) if reference is None else reference
    if trusted not in functions:
        raise InputError(f"reference={trusted!r} is not among the functions: {', '.join(functions)}.")
    fresh = (lambda rng: _named(inputs(rng))) if callable(inputs) else None
    named = own_copies(_named(inputs) if fresh is None else fresh(rng or np.random.default_rng(0)))

    def plain(inputs: Inputs) -> Any:
        return bound(functions[trusted], own_copies(inputs))()

    begin = time.perf_counter()
    try:
        result = plain(named)
    except Exception as error:
        raise RaceError(f"The reference {trusted!r} fails on these inputs ({_described(named)}): {error}") from error
    if not leaves(result) or any(leaf.dtype.kind in "OSUMm" for leaf in leaves(result)):
        raise RaceError(
            f"The reference {trusted!r} returns {type(result).__name__}, with which no result can be compared; return "
            "an array of numbers, or a tuple of them."
        )
    truth = _widened_truth(functions[trusted], named, result)
    first = Question(
        named,
        answer=plain if truth is None else partial(_widely, functions[trusted]),
        allowed=lambda truth: tolerances.usual(result, truth, named),
        strict=True,
        truth=result if truth is None else truth,
    )
    shape, kind = _first_array(named)
    return Contest(
        name="custom",
        op=None,
        shape=shape,
        dtype=kind.name,
        first=first,
        truth_from=trusted if truth is None else f"{trusted} in float64",
        truth_seconds=time.perf_counter() - begin,
        plain=plain,
        sampled=False,
        fresh=fresh,
        expected=slots_of(result),
        due=tolerances.due(result, named),
        field=tuple(contender(name, function) for name, function in functions.items()),
        absent={},
        watched=tuple(functions.values()),
    )


def parse_shape(shape: Any) -> Shape:
    """Return a shape as a tuple of sizes.

    Parameters
    ----------
    shape
        A tuple or list of sizes, one size, or text.

    >>> parse_shape("512x768"), parse_shape(1000), parse_shape([8, 64])
    ((512, 768), (1000,), (8, 64))
    """
    sizes = (
        re.split("\\s*[x\N{MULTIPLICATION SIGN},*\\s]\\s*", shape.strip(" ()[],")) if isinstance(shape, str) else shape
    )
    sizes = [sizes] if np.ndim(sizes) == 0 else list(sizes)
    try:
        parsed = tuple(int(size) for size in sizes)
    except (TypeError, ValueError):
        parsed = ()
    if not parsed or min(parsed) < 1 or any(str(size) != str(given) for size, given in zip(parsed, sizes, strict=True)):
        raise InputError(f"{shape!r} is no shape: give sizes of at least 1, such as 512x768 or (512, 768).")
    return parsed


def _sample(op: Op, shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    wanted = "x".join(op.dimensions)
    if op.family == "matrices" and len(shape) != len(op.dimensions):
        raise InputError(f"{op.name} races on shapes of {wanted}, such as {op.shapes[0]}; got {shape}.")
    try:
        return op.sample(shape, dtype, rng)
    except MemoryError as error:
        raise InputError(f"{op.name} of {shape} in {dtype.name} does not fit in memory; try a smaller one.") from error
    except (KernelError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{op.name} races on shapes of {wanted}; got {shape} and {dtype.name}: {error}") from error


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        if dtype is None:  # to NumPy it means float64
            raise TypeError
        kind: np.dtype[Any] = np.dtype(dtype)
        # The name in the report says nothing of a byte order, so none is raced.
        return kind if kind.isnative else kind.newbyteorder("=")
    except TypeError as error:
        raise InputError(f"{dtype!r} is no dtype; give a name such as float32 or float64.") from error


def _named(inputs: Any) -> Inputs:
    if isinstance(inputs, Mapping):
        return dict(inputs)
    return {str(i): value for i, value in enumerate(inputs if isinstance(inputs, tuple | list) else (inputs,))}


def _first_array(inputs: Inputs) -> tuple[Shape, np.dtype[Any]]:
    arrays = leaves(inputs)
    return (arrays[0].shape, arrays[0].dtype) if arrays else ((), np.dtype(object))


def _widened_truth(function: Callable[..., Any], inputs: Inputs, plain: Any) -> Any:
    """Return the function's result on float64 inputs, or None where it does not take those."""
    try:
        wide = _widely(function, own_copies(inputs))
    except Exception:  # whatever a user's function raises on another dtype, its own result then has to do
        return None
    return wide if [leaf.shape for leaf in leaves(wide)] == [leaf.shape for leaf in leaves(plain)] else None


def _widely(function: Callable[..., Any], inputs: Inputs) -> Any:
    return bound(function, {key: _float64(value) for key, value in inputs.items()})()


def _float64(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64)
    if hasattr(value, "is_floating_point") and value.is_floating_point():  # a torch tensor
        return value.double()
    return value


def _described(inputs: Inputs) -> str:
    return ", ".join(
        f"{name}: {value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") else f"{name}: {type(value).__name__}"
        for name, value in inputs.items()
    )
