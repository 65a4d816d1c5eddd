"""What is raced: one question (inputs, truth, tolerance) that all contenders answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS, Inputs, Op, Shape, Tolerance
from fused_kernels.errors import KernelError, UnknownOperationError
from workbench.errors import InputError, RaceError

from . import contenders
from .check import leaves, rounded
from .contenders import Contender
from .contenders.functions import bound, contender
from .memory import Slots, own_copies, slots_of

# What two ways of computing the same thing may differ by where no operation states it, relative to the largest value.
_USUAL = {"float16": 1e-2, "float32": 1e-4, "float64": 1e-9}
# What other libraries may be off by, relative to the largest value.
_OTHERS = {"float32": 1e-6, "float64": 1e-11}


@dataclass(frozen=True)
class Contest:
    """One question and those who answer it.

    Parameters
    ----------
    name
        Of the operation, or ``"custom"``.
    op
        The operation of the catalogue; None for the user's functions.
    inputs
        By name; positional ones are named ``0``, ``1``, ...
    shape, dtype
        Of the sample, or of the first array among the inputs.
    truth
        The right answer, in float64 where the reference takes that; for float64 inputs computed in long double.
    truth_from
        Whose answer that is, in words.
    expected
        What a result is written into, for ``out=``; None where it is neither an array nor a tuple of them.
    tolerance
        How far a right result may be from the truth.
    field
        The contenders.
    absent
        Those that cannot run, with the reason.
    """

    name: str
    op: Op | None
    inputs: Inputs
    shape: Shape
    dtype: str
    truth: Any
    truth_from: str
    expected: Slots
    tolerance: Tolerance
    field: tuple[Contender, ...]
    absent: Mapping[str, str]

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
    sampled = inputs is None
    if sampled:
        shape = op.shapes[0] if shape is None else parse_shape(shape)
        inputs = _sample(op, shape, kind, rng)
    elif not isinstance(inputs, Mapping):
        raise InputError(f"The inputs of {op.name} go by name, as a dict; got {type(inputs).__name__}.")
    else:
        inputs = dict(inputs)
        shape, kind = _first_array(inputs)
    tolerance = op.tolerance.get(kind.name)
    if tolerance is None:
        raise InputError(f"{op.name} has no float64 check for {kind.name}; it has: {', '.join(op.tolerance)}.")
    try:
        truth = rounded(op.truth(**own_copies(inputs)))
        # On a sample the results have its dtype; at 64 MB the reference can take seconds that say no more than that.
        expected = slots_of(truth, kind) if sampled else slots_of(op.reference(**own_copies(inputs)))
    except (KernelError, TypeError, ValueError) as error:
        raise InputError(f"{op.name} does not take these inputs ({_described(inputs)}): {error}") from error
    return Contest(
        name=op.name,
        op=op,
        inputs=inputs,
        shape=shape,
        dtype=kind.name,
        truth=truth,
        truth_from="float64",
        expected=expected,
        tolerance=_for_all(tolerance, kind, truth),
        field=field,
        absent=contenders.absent(op, names),
    )


def of_functions(functions: Mapping[str, Callable[..., Any]], *, inputs: Any, reference: str | None) -> Contest:
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
    named = dict(inputs) if isinstance(inputs, Mapping) else {str(i): value for i, value in enumerate(_tuple(inputs))}
    try:
        plain = bound(functions[trusted], own_copies(named))()
    except Exception as error:
        raise RaceError(f"The reference {trusted!r} fails on these inputs ({_described(named)}): {error}") from error
    if not leaves(plain) or any(leaf.dtype.kind in "OSUMm" for leaf in leaves(plain)):
        raise RaceError(
            f"The reference {trusted!r} returns {type(plain).__name__}, with which no result can be compared; return "
            "an array of numbers, or a tuple of them."
        )
    truth, truth_from = _widened_truth(functions[trusted], named, plain, trusted)
    shape, kind = _first_array(named)
    return Contest(
        name="custom",
        op=None,
        inputs=named,
        shape=shape,
        dtype=kind.name,
        truth=truth,
        truth_from=truth_from,
        expected=slots_of(plain),
        tolerance=_usual_tolerance(plain, truth),
        field=tuple(contender(name, function) for name, function in functions.items()),
        absent={},
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


def _tuple(inputs: Any) -> tuple[Any, ...]:
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)


def _first_array(inputs: Inputs) -> tuple[Shape, np.dtype[Any]]:
    arrays = leaves(inputs)
    return (arrays[0].shape, arrays[0].dtype) if arrays else ((), np.dtype(object))


def _widened_truth(function: Callable[..., Any], inputs: Inputs, plain: Any, name: str) -> tuple[Any, str]:
    """Return the function's result on float64 inputs, or its own where it does not take those."""
    try:
        wide = bound(function, {key: _float64(value) for key, value in own_copies(inputs).items()})()
    except Exception:  # whatever a user's function raises on another dtype, its own result then has to do
        return plain, name
    if [leaf.shape for leaf in leaves(wide)] != [leaf.shape for leaf in leaves(plain)]:
        return plain, name
    return wide, f"{name} in float64"


def _float64(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64)
    if hasattr(value, "is_floating_point") and value.is_floating_point():  # a torch tensor
        return value.double()
    return value


def _for_all(tolerance: Tolerance, dtype: np.dtype[Any], truth: Any) -> Tolerance:
    """Widen an operation's tolerance, which our kernels are held to, for what other libraries cannot help.

    ONNX stores an attribute such as epsilon as float32, which moves a float64 layer norm by 1e-13; a gelu of torch is
    off by 3e-7 of the largest value where its erf cancels.
    """
    return Tolerance(tolerance.rtol, max(tolerance.atol, _OTHERS.get(dtype.name, 0.0) * _largest(truth)))


def _usual_tolerance(result: Any, truth: Any) -> Tolerance:
    floats = [leaf for leaf in leaves(result) if leaf.dtype.kind in "fc"]
    if not floats:
        return Tolerance(rtol=0.0, atol=0.0)
    coarsest = max(_USUAL.get(np.empty(0, leaf.dtype).real.dtype.name, _USUAL["float64"]) for leaf in floats)
    return Tolerance(rtol=coarsest, atol=coarsest * _largest(truth))


def _largest(truth: Any) -> float:
    finite = [np.abs(leaf[np.isfinite(leaf)]).max(initial=0) for leaf in leaves(truth) if leaf.dtype.kind in "fc"]
    return float(max(finite, default=0))


def _described(inputs: Inputs) -> str:
    return ", ".join(
        f"{name}: {value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") else f"{name}: {type(value).__name__}"
        for name, value in inputs.items()
    )
