"""A Python function of scalars becomes an operation: fused, on all cores, broadcast, in the catalogue."""

from __future__ import annotations

import dis
import functools
import inspect
import keyword
import math
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, overload

import numpy as np

from .catalog import OPS, Cost, Inputs, Op, Shape, Tolerance
from .errors import FormulaError
from .formula_call import RESERVED, public
from .snapshot import digest, snapshot

Function = Callable[..., Any]

_TOLERANCE = {"float32": Tolerance(1e-5, 1e-6), "float64": Tolerance(1e-13, 1e-13)}
_SHAPES: tuple[Shape, ...] = ((512, 768), (8, 64), (1000, 1000), (4096, 4096))


@overload
def elementwise(function: Function, /) -> Function: ...
@overload
def elementwise(
    *,
    name: str | None = ...,
    sample: Callable[..., Inputs] | None = ...,
    reference: Function | None = ...,
    tolerance: Mapping[str, Tolerance] | None = ...,
) -> Callable[[Function], Function]: ...


def elementwise(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    sample: Callable[..., Inputs] | None = None,
    reference: Function | None = None,
    tolerance: Mapping[str, Tolerance] | None = None,
) -> Any:
    """Make a fused, parallel operation on arrays of a Python function of scalars, and enter it into the catalogue.

    The result takes arrays and numbers, broadcast against each other, and ``out=``; it can be raced
    (``wb.compare("NAME")``) and explained like the built-in ones. In the function may stand arithmetic, comparisons,
    ``if`` and loops, the functions of math, NumPy and scipy.special (``np.exp``, ``np.tanh``, ``np.log``,
    ``math.erf`` and their like become vectorised ones), ``np.where``, ``min`` and ``max``, other such functions,
    and numbers from outside, whose values are those at the definition. It cannot raise an exception: for arguments
    without a result return ``np.nan``.

    Parameters
    ----------
    function
        Of one or more numbers, returns a number. It is computed in the dtype of the arguments as NumPy promotes
        them: float32 or float64, integers in float64, float16 and bfloat16 in float32; numbers in it do not widen.
        A parameter with a default is an option, such as ``alpha=1.0``.
    name
        Under which it is found; the function's own if None. A second function of the name replaces the first.
    sample
        ``sample(shape, dtype, rng)`` makes inputs for races; standard normal arrays if None.
    reference
        The NumPy way that it is raced against; the function itself on whole arrays if None, or, where it cannot take
        them, ``numpy.vectorize`` of it. In float64 it is also the truth.
    tolerance
        What a race holds it to, for "float32" and "float64".

    Returns
    -------
    callable
        The operation.

    Raises
    ------
    FormulaError
        If the function cannot be compiled; the message names the line.

    Notes
    -----
    It may look things up in arrays from outside, ``table[int(x)]``; an index beyond one, or of NaN, is an IndexError
    of the call.

    Examples
    --------
    >>> import numpy as np
    >>> @elementwise
    ... def mish(x):
    ...     return x * np.tanh(np.log1p(np.exp(x)))
    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    if function is None:
        return functools.partial(elementwise, name=name, sample=sample, reference=reference, tolerance=tolerance)
    if not isinstance(function, FunctionType):
        raise FormulaError(f"elementwise takes a Python function of numbers, and got {function!r}.")
    name = name or function.__name__
    _check_name(name)
    function = snapshot(function)
    operation = make_operation(
        function, name=name, sample=sample, reference=reference, tolerance=tolerance, key=digest(function)
    )
    from .cpu.formula import check_formula

    check_formula(name, function, len(inspect.signature(function).parameters))
    OPS.add(operation)
    return operation.function


def make_operation(
    function: Function,
    *,
    name: str | None = None,
    summary: str | None = None,
    sample: Callable[..., Inputs] | None = None,
    reference: Function | None = None,
    flops: int | None = None,
    tolerance: Mapping[str, Tolerance] | None = None,
    shapes: tuple[Shape, ...] = _SHAPES,
    peers: Mapping[str, Function] | None = None,
    parallel_from: int = 128 << 10,
    key: str | None = "",
) -> Op:
    """Return the operation of a formula; nothing is compiled yet. For the built-in ones as well.

    Parameters
    ----------
    function, name, sample, reference, tolerance
        As for `elementwise`.
    summary
        The formula in one line; if None the first line of the docstring, else the name.
    flops
        Operations for each element; counted in the function if None.
    shapes, peers
        As in `Op`.
    parallel_from
        Bytes of the result from which threads pay.
    key
        Tells this formula from others of its name in the cache on disk; None keeps it out of there.
    """
    name = name or function.__name__
    _check_signature(name, function)
    usual = reference or _on_arrays(function)
    call = public(function, name, reference=usual, parallel_from=parallel_from, key=key)
    call.__doc__ = documented(function)
    count = flops or _operations(function)
    docstring = inspect.getdoc(function)
    return Op(
        name=name,
        summary=summary or (docstring or name).partition("\n")[0],
        family="elements",
        function=call,
        reference=usual,
        sample=sample or functools.partial(_sample, function),
        cost=lambda **inputs: _cost(count, inputs),
        shapes=shapes,
        dimensions=("rows", "columns"),
        tolerance=tolerance or _TOLERANCE,
        peers=peers or {},
    )


def documented(function: Function) -> str:
    """Return the docstring of a formula, completed with what is the same for all."""
    text = inspect.getdoc(function) or function.__name__
    parameters, order = "\nParameters\n----------\n", ("\nNotes\n-----", "\nExamples\n-------")
    head, rest = text, ""
    for section in order:
        if section in text:
            head, rest = text[: text.index(section)], text[text.index(section) :]
            break
    if parameters not in head:
        names = ", ".join(inspect.signature(function).parameters)
        head = f"{head.rstrip()}\n{parameters}{names}\n    Arrays or numbers that broadcast against each other."
    return f"{head.rstrip()}\n{_COMMON.strip()}\n{rest}"


_COMMON = """
out
    Array of the shape of the result that receives it; it may be one of the inputs.

Returns
-------
array
    In the common dtype of the arrays, to which Python's numbers adapt: float32 or float64; integers give float64,
    and float16 and bfloat16 are computed in float32.

Raises
------
ShapeError
    If shapes do not broadcast, or ``out`` has another shape than the result.
DtypeError
    For complex, text, object or masked arrays and tensors that require grad.
"""


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_") or keyword.iskeyword(name):
        raise FormulaError(f"elementwise: {name!r} is no name for an operation. Pass name='...', a public Python name.")
    if name in OPS and not OPS.is_added(name):
        raise FormulaError(f"elementwise: {name} is a built-in operation. Choose another name.")
    if name in vars(sys.modules[__package__]):
        raise FormulaError(f"elementwise: {__package__}.{name} is something else already. Choose another name.")


def _check_signature(name: str, function: Function) -> None:
    parameters = inspect.signature(function).parameters
    if not parameters:
        raise FormulaError(f"{name}: a formula needs at least one argument.")
    for parameter in parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise FormulaError(f"{name}: {parameter} is not a plain argument; a formula takes numbers one by one.")
        if parameter.name == "out":
            raise FormulaError(f"{name}: out is where the result goes. Give the argument another name.")
        if parameter.name.startswith(RESERVED):
            raise FormulaError(f"{name}: names with {RESERVED} are kept for others. Give the argument another name.")
        if parameter.default is not parameter.empty and not _is_number(parameter.default):
            raise FormulaError(f"{name}: the default of {parameter} is no number that a float can hold.")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise FormulaError(f"{name}: a formula returns its number at once; this is a coroutine or a generator.")


def _is_number(default: Any) -> bool:
    try:
        return isinstance(default, int | float | np.integer | np.floating) and isinstance(float(default), float)
    except OverflowError:
        return False


def _on_arrays(function: Function) -> Function:
    """Return the function as NumPy users write it: itself, or element by element where it cannot take arrays."""
    trial = np.full(2, 0.5)
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    try:
        with np.errstate(all="ignore"):
            found = function(*[trial] * len(needed))
    except Exception:  # an if, or math.erf, on an array
        found = None
    if np.shape(found) == trial.shape:
        return function

    @functools.wraps(function)
    def reference(*args: Any, **named: Any) -> Any:
        kind = np.result_type(*args, *named.values())
        return np.vectorize(_quiet(function), otypes=[kind if kind.kind == "f" else np.float64])(*args, **named)

    return reference


def _quiet(function: Function) -> Function:
    """Return the function with math's errors as the values that NumPy gives in their place."""

    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except ValueError:
            return math.nan
        except (OverflowError, ZeroDivisionError):
            return math.inf

    return call


def _sample(function: Function, shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    parameters = inspect.signature(function).parameters.values()
    return {
        parameter.name: rng.standard_normal(shape).astype(dtype)
        if parameter.default is parameter.empty
        else float(parameter.default)
        for parameter in parameters
    }


def _cost(operations: int, inputs: Inputs) -> Cost:
    arrays = [value for value in inputs.values() if isinstance(value, np.ndarray)]
    size = math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    itemsize = max(array.itemsize for array in arrays)
    return Cost(sum(array.nbytes for array in arrays), size * itemsize, operations * size)


def _operations(function: Function) -> int:
    """Count the operations of a formula, a function as one; each branch as if it were taken."""
    counted = ("BINARY_OP", "UNARY_NEGATIVE", "COMPARE_OP", "CALL", "CALL_FUNCTION_EX")
    return max(1, sum(step.opname.startswith(counted) for step in dis.get_instructions(function)))
