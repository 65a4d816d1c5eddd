"""What is raced: one question (inputs, truth, tolerance) that all contenders answer; that of an operation."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Cost, Inputs, Op, Shape
from fused_kernels.errors import KernelError, UnknownOperationError
from workbench.bench import contenders
from workbench.bench.contenders import Contender
from workbench.bench.devices import Device
from workbench.errors import InputError

from . import far_values, tolerances
from .check import leaves, rounded
from .far import BRAIN
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
    device
        The GPU on which it is raced; None for the CPU.
    kinds
        By the name of an input, its dtype on the device where NumPy has none such: ``"bfloat16"``.
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
    device: Device | None = None
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def inputs(self) -> Inputs:
        """By name; positional ones are named ``0``, ``1``, ..."""
        return self.first.inputs

    def question(self, inputs: Inputs, *, strict: bool) -> Question:
        """Return the question of other inputs; its truth is computed when it is asked for."""
        return self.first.like(inputs, strict=strict)

    @property
    def cost(self) -> Cost:
        """What one call has to do at the least, in the dtypes in which it is raced; only an operation has one."""
        assert self.op is not None
        # A cost asks for shapes and sizes of elements, and of masks for their values.
        narrow = {name: np.broadcast_to(np.float16(0), self.inputs[name].shape) for name in self.kinds}
        return self.op.cost(**{**self.inputs, **narrow})

    def current(self) -> AbstractContextManager[Any]:
        """Return a context in which the device's stream is the current one; on the CPU it does nothing."""
        return nullcontext() if self.device is None else self.device.current()

    @property
    def described(self) -> str:
        """The inputs in words, for messages: ``layer_norm (x: float32 (512, 768))``."""
        return f"{self.name} ({described(self.inputs)})"


def of_operation(
    name: str,
    *,
    shape: Any,
    dtype: Any,
    names: str | Iterable[str] | None,
    inputs: Any,
    rng: np.random.Generator,
    device: Device | None = None,
) -> Contest:
    """Return the contest of an operation of the catalogue, on sample inputs or on the given ones."""
    try:
        op = OPS[name]
    except UnknownOperationError as error:
        raise InputError(str(error)) from error
    side = contenders.CPU if device is None else contenders.CUDA
    runners = tuple(contenders.choose(op, names, side))
    brain = device is not None and far_values.is_bfloat16(dtype)
    kind = np.dtype(np.float32) if brain else _dtype(dtype)
    fresh: Callable[[np.random.Generator], Inputs] | None = None
    sampled = inputs is None
    if sampled:
        shape = op.shapes[0] if shape is None else parse_shape(shape)
        fresh = partial(_sample, op, shape, kind)
        fresh = far_values.rounding(fresh) if brain else fresh
        inputs = fresh(rng)
    elif callable(inputs):
        fresh = partial(drawn, inputs)
        inputs = fresh(rng)
    if not isinstance(inputs, Mapping):
        raise InputError(f"The inputs of {op.name} go by name, as a dict; got {type(inputs).__name__}.")
    inputs = dict(inputs) if sampled else own_copies(inputs)
    kinds: Mapping[str, str] = {}
    if not sampled:
        if device is not None:
            inputs, kinds = far_values.of_device(inputs)
            fresh = fresh and far_values.of_device_each(fresh)
        shape, kind = first_array(inputs)
        brain = bool(kinds)
    elif brain:
        kinds = {name: BRAIN for name, value in inputs.items() if getattr(value, "dtype", None) == kind}
    called = BRAIN if brain else kind.name
    tolerance = op.tolerance.get(called) if device is None else tolerances.on_device(op.tolerance, called)
    if tolerance is None:
        raise InputError(f"{op.name} has no float64 check for {called}; it has: {', '.join(op.tolerance)}.")

    def plain(inputs: Inputs) -> Any:
        return op.reference(**own_copies(inputs))

    try:
        begin = time.perf_counter()
        truth = rounded(op.truth(**own_copies(inputs)))
        seconds = time.perf_counter() - begin
        # On a sample the results have its dtype; at 64 MB the reference can take seconds that say no more than that.
        result = truth if sampled else plain(inputs)
    except (KernelError, TypeError, ValueError) as error:
        raise InputError(f"{op.name} does not take these inputs ({described(inputs)}): {error}") from error
    first = Question(
        inputs,
        answer=lambda inputs: rounded(op.truth(**inputs)),
        allowed=lambda truth: tolerances.for_all(tolerance, called, truth),
        strict=True,
        truth=truth,
    )
    return Contest(
        name=op.name,
        op=op,
        shape=shape,
        dtype=called,
        first=first,
        truth_from="float64",
        truth_seconds=seconds,
        plain=plain,
        sampled=sampled,
        fresh=fresh,
        expected=slots_of(result, kind if sampled else None),
        due=tolerances.due(result, inputs, called if sampled or brain else None),
        field=runners,
        absent=contenders.absent(op, names, side),
        watched=(op.function, op.reference),
        device=device,
        kinds=kinds,
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


def drawn(inputs: Callable[[np.random.Generator], Any], rng: np.random.Generator) -> Any:
    """Return what a user's ``inputs(rng)`` makes.

    Raises
    ------
    workbench.errors.InputError
        If it fails, with its reason.
    """
    try:
        return inputs(rng)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"inputs(rng) is called with a numpy.random.Generator, and fails: {reason}") from error


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


def first_array(inputs: Inputs) -> tuple[Shape, np.dtype[Any]]:
    """Return the shape and dtype of the first array among the inputs."""
    arrays = leaves(inputs)
    return (arrays[0].shape, arrays[0].dtype) if arrays else ((), np.dtype(object))


def described(inputs: Inputs) -> str:
    """Return inputs in words."""
    return ", ".join(
        f"{name}: {value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") else f"{name}: {type(value).__name__}"
        for name, value in inputs.items()
    )
