"""Compile a Python function of scalars so that it means what NumPy would compute, with our vectorised functions in it.

Numba makes float64 of ``0.5 * x`` where x is float32; NumPy does not. Numba calls the C library for ``np.exp`` and its
like, one element at a time. A pass over its intermediate code, before types are inferred, mends both: numbers get the
dtype of the arguments, and functions are exchanged for ours.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import linecache
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import UnsupportedError
from numba.core.ir_utils import mk_unique_var
from numba.core.untyped_passes import IRProcessing

from fused_kernels import special
from fused_kernels.errors import FormulaError

from . import selections, vector_math
from .compile import INLINED, Kernel, inline, njit
from .intrinsics import to_integer

_DTYPES = {types.float32: np.float32, types.float64: np.float64}
_COUNTING = (operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor)
_WHOLE = {math.floor: np.floor, math.ceil: np.ceil, math.trunc: np.trunc, int: np.trunc, round: np.rint}
"""What gives an integer, and its like among floats: an int64 has no NaN and ends at 9e18."""


def compile_formula(function: Callable[..., Any]) -> Kernel:
    """Return ``function``, compiled when it is first needed, to be inlined into a loop.

    Its arguments are all float32 or all float64. Numbers in it, literal or from outside, get that dtype, as NumPy has
    it for Python's numbers. Functions of `vector_math`'s names out of numpy, math and scipy.special become ours; other
    Python functions that it calls are compiled in the same way.
    """
    if function not in _compiled:
        # An index beyond a table raises, as in Python; without the check it reads what lies beside.
        _compiled[function] = njit(function, **INLINED, boundscheck=True, pipeline_class=_Compiler)
    return _compiled[function]


_compiled: dict[Any, Kernel] = {}


def check_formula(name: str, function: Callable[..., Any], arity: int) -> None:
    """Compile ``function`` for float32, to find at once what is wrong with it.

    Raises
    ------
    FormulaError
        That names the line and the reason.
    """
    compiled: Any = compile_formula(function)
    arguments = (types.float32,) * arity
    try:
        compiled.compile(arguments)
    except Exception as error:  # whatever Numba stumbles over is for the user to know
        del _compiled[function]
        raise FormulaError(f"{name}: {_where(function, str(error))}: {_reason(error)} {_ADVICE}") from error
    result = compiled.overloads[arguments].signature.return_type
    if not isinstance(result, types.Integer | types.Float | types.Boolean):
        del _compiled[function]
        kind = "nothing" if result == types.none else f"a {result}"
        line = function.__code__.co_firstlineno
        raise FormulaError(f"{name}: line {line}: the formula returns {kind}, and must return one real number.")


_ADVICE = "It may have arithmetic, if, loops, the functions of math and NumPy on numbers, and others like itself."
_OF_NUMBA = ("Failed in", "During:", "File ", "-", ">>>", "^")


def _where(function: Callable[..., Any], message: str) -> str:
    """Return the line that a message of Numba's is about, with its text."""
    code = function.__code__
    last = code.co_firstlineno + len(inspect.getsource(function).splitlines()) if _has_source(function) else 1 << 31
    places = re.findall(r'(?:File "([^"]+)", line (\d+))|(?: at (\S+) \((\d+)\))', message)
    own = Path(code.co_filename).name
    lines = [int(a or b) for file, a, other, b in places if Path(file or other).name == own]
    line = next((line for line in lines if code.co_firstlineno <= line < last), code.co_firstlineno)
    text = linecache.getline(code.co_filename, line).strip()
    return f"line {line}" + (f", `{text}`" if text else "")


def _has_source(function: Callable[..., Any]) -> bool:
    try:
        return bool(inspect.getsource(function))
    except (OSError, TypeError):
        return False


def _reason(error: Exception) -> str:
    """Return what is wrong out of Numba's message: its first line that is not about Numba itself."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_OF_NUMBA)]
    reason = telling[0] if telling else type(error).__name__
    reason = re.sub(r"Function\(<(?:built-in )?\w+ '?([\w.]+)'?[^)]*\)", r"\1", reason)
    return reason.rstrip(".: ") + "."


class _Compiler(CompilerBase):
    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_AsNumPy, IRProcessing)
        passes.finalize()
        return [passes]


@register_pass(mutates_CFG=False, analysis_only=False)
class _AsNumPy(FunctionPass):
    """Exchange numbers and functions."""

    _name = "fused_kernels_as_numpy"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        code = state.func_ir
        _refuse_exceptions(code)
        dtype = next((_DTYPES[kind] for kind in state.args if kind in _DTYPES), np.float64)
        counts = set(_counting(code))
        for block in code.blocks.values():
            body: list[Any] = []
            for statement in block.body:
                if isinstance(statement, ir.Assign):
                    body += _exchange(code, statement, dtype, counts)
                body.append(statement)
            block.body = body
        return True


def _refuse_exceptions(code: Any) -> None:
    """Raise Numba's error for ``raise`` and ``try``: an exception in a loop on several threads would be lost."""
    table = code.func_id.code.co_exceptiontable
    for block in code.blocks.values():
        raising = block.find_insts((ir.Raise, ir.StaticRaise, ir.DynamicRaise))
        place = next((statement.loc for statement in raising), block.loc if table else None)
        if place is not None:
            raise UnsupportedError("A formula cannot raise or catch an exception; return np.nan instead", place)


def _exchange(code: Any, statement: Any, dtype: Any, counts: set[str]) -> Iterator[Any]:
    """Change the right side of an assignment; yield what has to stand before it."""
    value, place = statement.value, statement.loc
    if isinstance(value, ir.Expr) and value.op in ("binop", "inplace_binop") and _is_power(value):
        function = _power(_found(code, value.rhs))
        if function is not None:
            arguments = (value.lhs, value.rhs) if function is vector_math.power else (value.lhs,)
            yield from _called(code, statement, function, arguments)
    elif isinstance(value, ir.Expr) and value.op == "call":
        rounding = _WHOLE.get(_hashable(_found(code, value.func)))
        if rounding is not None and len(value.args) == 1 and not value.kws:
            rounded = _counted(rounding) if statement.target.name in counts else _whole(rounding)
            yield from _called(code, statement, rounded, value.args)
    else:
        found = value.value if isinstance(value, ir.Const) else _meant(code, value)
        if _is_number(found) and not (isinstance(found, int) and statement.target.name in counts):
            statement.value = ir.Const(dtype(found), place)
        elif (function := _exchanged(found)) is not None:
            statement.value = ir.Global(getattr(function, "__name__", "formula"), function, place)
    code._definitions[statement.target.name] = [
        statement.value if item is value else item for item in code._definitions[statement.target.name]
    ]


def _called(code: Any, statement: Any, function: Any, arguments: tuple[Any, ...]) -> Iterator[Any]:
    """Make a call of ``function`` the right side of an assignment."""
    place = statement.loc
    variable = ir.Var(statement.target.scope, mk_unique_var("$exchanged"), place)
    known = ir.Global(getattr(function, "__name__", "formula"), function, place)
    yield ir.Assign(known, variable, place)
    code._definitions[variable.name] = [known]
    statement.value = ir.Expr.call(variable, arguments, (), place)


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return None
    return value


def _found(code: Any, variable: Any) -> Any:
    """Return the number, module or function that a variable stands for, or None."""
    definitions = code._definitions.get(variable.name, ())
    if len(definitions) != 1:
        return None
    (value,) = definitions
    if isinstance(value, ir.Var):
        return _found(code, value)
    return value.value if isinstance(value, ir.Const) else _meant(code, value)


def _meant(code: Any, value: Any) -> Any:
    """Return what a name from outside, or an attribute of a module, stands for, or None."""
    if isinstance(value, ir.Global | ir.FreeVar):
        return value.value
    if isinstance(value, ir.Expr) and value.op == "getattr":
        module = _found(code, value.value)
        return getattr(module, value.attr, None) if isinstance(module, ModuleType) else None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_power(value: Any) -> bool:
    return (value.fn if value.op == "binop" else value.immutable_fn) is operator.pow


def _power(exponent: Any) -> Any:
    """Return the function for ``x ** exponent``, None where Numba multiplies."""
    if isinstance(exponent, int | np.integer):
        return _reciprocal_power(int(-exponent)) if exponent < 0 else None
    return math.sqrt if exponent == 0.5 else vector_math.power


@functools.cache
def _whole(rounding: Callable[..., Any]) -> Kernel:
    """Return a rounding function without the -0.0 that no integer is."""
    return compile_formula(lambda x: rounding(x) + 0)


@functools.cache
def _counted(rounding: Callable[..., Any]) -> Kernel:
    """Return a rounding function whose result indexes and counts."""
    return inline(lambda x: to_integer(rounding(x)))


@functools.cache
def _reciprocal_power(exponent: int) -> Kernel:
    """Return ``1 / x**exponent``; Numba's own ``x**-1`` raises an exception for 0."""
    return compile_formula(lambda x: 1 / x**exponent)


def _counting(code: Any) -> Iterator[str]:
    """Yield the variables that count: these stay integers."""
    waiting = []
    for statement in (statement for block in code.blocks.values() for statement in block.find_insts(ir.Assign)):
        value = statement.value
        if not isinstance(value, ir.Expr):
            continue
        if value.op == "call" and _found(code, value.func) in (builtins.range, builtins.round, builtins.divmod):
            waiting += value.args
        elif value.op in ("binop", "inplace_binop"):
            operation = value.fn if value.op == "binop" else value.immutable_fn
            waiting += [value.lhs, value.rhs] if operation in _COUNTING else [value.rhs] if _is_power(value) else []
        elif value.op in ("getitem", "static_getitem"):
            # What is static has the index as a number, beside the variable of it.
            index = value.index if value.op == "getitem" else value.index_var
            waiting += [index] if isinstance(index, ir.Var) else []
    seen: set[str] = set()
    while waiting:
        variable = waiting.pop()
        seen.add(variable.name)
        yield variable.name
        for item in code._definitions.get(variable.name, ()):
            if isinstance(item, ir.Var):
                waiting.append(item)
            elif isinstance(item, ir.Expr) and item.op in ("binop", "inplace_binop", "unary", "build_tuple"):
                waiting += [part for part in item.list_vars() if part.name not in seen]


def _exchanged(function: Any) -> Any:
    """Return the compiled counterpart of a function, or None."""
    if not callable(function) or isinstance(function, type):
        return None
    try:
        ours = _ours().get(function)
    except TypeError:  # not hashable, so none of those known
        return None
    if ours is not None:
        return ours
    formula = getattr(function, "formula", function)
    module = getattr(formula, "__module__", None) or ""
    # What Numba or vector_math has an implementation for is left to them.
    own = isinstance(formula, FunctionType) and module.partition(".")[0] not in ("numba", "numpy", "math")
    return compile_formula(formula) if own and not module.startswith(__package__) else None


def _ours() -> dict[Any, Any]:
    """Return the vectorised counterpart of each function that has one, in the libraries that are loaded."""
    libraries = [np, math, special, *filter(None, [sys.modules.get("scipy.special")])]
    found: dict[Any, Any] = {builtins.max: selections.larger, builtins.min: selections.smaller}
    found |= {np.where: selections.where, np.clip: selections.clip}
    for name in vector_math.__all__:
        for theirs in {name, *_OTHER_NAMES.get(name, ())}:
            ours = getattr(vector_math, name)
            found |= {getattr(library, theirs): ours for library in libraries if hasattr(library, theirs)}
    return found


_OTHER_NAMES = {"sigmoid": ("expit",), "normal_cdf": ("ndtr",), "power": ("pow", "float_power"), "absolute": ("fabs",)}
