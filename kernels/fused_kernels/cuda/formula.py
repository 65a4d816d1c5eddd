"""A Python function of scalars as CUDA C++, from the same intermediate code that the CPU's kernels are compiled from.

Numba reads the function; of each of its variables this says whether it is a number of the arrays' dtype, an integer
that counts, or a truth value, by the rules of `cpu.formula`; each of its blocks becomes a label, and each step a line.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba.core import ir
from numba.core.compiler import run_frontend

from fused_kernels.cpu.formula import _counting, _found, _is_number, _meant
from fused_kernels.errors import FormulaError

from .functions import COMPARISONS, FUNCTIONS, OPERATORS, WHOLE, operation_of

FLOAT, WHOLE_NUMBER, TRUTH = "A", "i64", "bool"
_RANGE, _NEXT, _NONE = "Range", "Next", ""
_OF_LOOPS = {"getiter": _RANGE, "iternext": _NEXT, "pair_first": WHOLE_NUMBER, "pair_second": TRUTH}


class Translation(NamedTuple):
    """A formula in CUDA C++.

    Parameters
    ----------
    text
        Device functions, templates of the dtype ``A``, of which the last is the formula.
    name
        Of that one.
    """

    text: str
    name: str


@functools.cache
def translated(name: str, function: Callable[..., Any]) -> Translation:
    """Return a formula in CUDA C++.

    Raises
    ------
    FormulaError
        If it uses what there is no counterpart for on a GPU; the message names it and the line.
    """
    found: dict[Any, str] = {}
    texts: list[str] = []
    last = _Function(name, function, found, texts).written()
    return Translation("".join(texts), last)


class _Function:
    """One Python function; those that it calls are translated before it."""

    def __init__(self, operation: str, function: Callable[..., Any], known: dict[Any, str], texts: list[str]) -> None:
        self._operation, self._function, self._known, self._texts = operation, function, known, texts
        self._code: Any = run_frontend(function)
        self._counts = set(_counting(self._code))
        self._kinds: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def written(self) -> str:
        """Write the function behind those that it calls, and return the name it got."""
        self._infer()
        lines = list(self._lines())
        arity = len(inspect.signature(self._function).parameters)
        name = f"formula_{len(self._known)}"
        parameters = ", ".join(f"A x{place}" for place in range(arity))
        declared = "".join(
            f"    {kind} {self._names[variable]};\n"
            for variable, kind in self._kinds.items()
            if variable in self._names
        )
        body = "".join(f"{line}\n" for line in lines)
        self._texts.append(f"template <class A> __device__ inline A {name}({parameters}) {{\n{declared}{body}}}\n")
        self._known[self._function] = name
        return name

    def _statements(self) -> Iterator[Any]:
        for block in self._code.blocks.values():
            yield from block.body

    def _infer(self) -> None:
        """Find the kind of each variable: the widest of what it is given anywhere."""
        order = (_NONE, TRUTH, WHOLE_NUMBER, FLOAT)
        changed = True
        while changed:
            changed = False
            for statement in self._statements():
                if not isinstance(statement, ir.Assign):
                    continue
                target, kind = statement.target.name, self._kind(statement)
                before = self._kinds.get(target, _NONE)
                loose = {_RANGE, _NEXT} & {before, kind}
                wider = next(iter(loose)) if loose else max(before, kind, key=order.index)
                if wider != before:
                    self._kinds[target], changed = wider, True

    def _kind(self, statement: Any) -> str:
        value, name = statement.value, statement.target.name
        if isinstance(value, ir.Arg):
            return FLOAT
        if isinstance(value, ir.Var):
            return self._kinds.get(value.name, _NONE)
        if isinstance(value, ir.Expr) and value.op != "getattr":
            return self._kind_of(value, name)
        known = value.value if isinstance(value, ir.Const) else _meant(self._code, value)
        if isinstance(known, bool | np.bool_):
            return TRUTH
        if _is_number(known):
            return WHOLE_NUMBER if isinstance(known, int) and name in self._counts else FLOAT
        return _NONE

    def _kind_of(self, value: Any, name: str) -> str:
        """Return the kind of an expression's value."""
        if value.op in ("binop", "inplace_binop"):
            function, kinds = operation_of(value), (self._of(value.lhs), self._of(value.rhs))
            if function in COMPARISONS or (set(kinds) == {TRUTH} and function in (operator.and_, operator.or_)):
                return TRUTH
            if _NONE in kinds:
                return _NONE
            return FLOAT if FLOAT in kinds or function is operator.truediv else WHOLE_NUMBER
        if value.op == "unary":
            inner = self._of(value.value)
            return TRUTH if value.fn is operator.not_ else WHOLE_NUMBER if inner == TRUTH else inner
        if value.op == "cast":
            return self._of(value.value)
        if value.op == "call":
            function = _found(self._code, value.func)
            if function is range:
                return _RANGE
            if function is bool:
                return TRUTH
            if function in WHOLE and len(value.args) == 1:
                return WHOLE_NUMBER if name in self._counts else FLOAT
            known = FUNCTIONS.get(function) if _is_hashable(function) else None
            return TRUTH if known in ("isnan", "isinf", "isfinite") else FLOAT
        return _OF_LOOPS.get(value.op, _NONE)

    def _of(self, variable: Any) -> str:
        return self._kinds.get(variable.name, _NONE)

    def _name(self, variable: Any) -> str:
        return self._names.setdefault(variable.name, f"v{len(self._names)}")

    def _lines(self) -> Iterator[str]:
        targets = {place for block in self._code.blocks.values() for place, _ in _successors(block)}
        for place, block in self._code.blocks.items():
            if place in targets:
                yield f"block_{place}:;"
            for statement in block.body:
                yield from self._line(statement)

    def _line(self, statement: Any) -> Iterator[str]:
        if isinstance(statement, ir.Assign):
            text = self._expression(statement)
            if text:
                yield f"    {self._name(statement.target)} = {text};"
        elif isinstance(statement, ir.Jump):
            yield f"    goto block_{statement.target};"
        elif isinstance(statement, ir.Branch):
            condition = self._name(statement.cond)
            yield f"    if ({condition}) goto block_{statement.truebr};"
            yield f"    goto block_{statement.falsebr};"
        elif isinstance(statement, ir.Return):
            yield f"    return A({self._name(statement.value)});"
        elif not isinstance(statement, ir.Del):
            raise self._refused(statement, f"a {type(statement).__name__.lower()} statement")

    def _expression(self, statement: Any) -> str:
        """Return the right side of an assignment; empty for functions and modules, which are known by name."""
        value, kind = statement.value, self._kinds.get(statement.target.name, _NONE)
        if isinstance(value, ir.Arg):
            return f"x{value.index}"
        if isinstance(value, ir.Expr) and value.op != "getattr":
            return self._computed(statement, value)
        if kind == _NONE:
            return ""
        if isinstance(value, ir.Var):
            return self._name(value)
        known = value.value if isinstance(value, ir.Const) else _meant(self._code, value)
        return _literal(known, kind)

    def _computed(self, statement: Any, value: Any) -> str:
        if value.op in ("binop", "inplace_binop"):
            return self._binary(statement, value)
        if value.op == "unary":
            sign = {operator.neg: "-", operator.pos: "+", operator.not_: "!", operator.invert: "~"}.get(value.fn)
            if sign:
                return f"{sign}{self._name(value.value)}"
        if value.op == "cast":
            return self._name(value.value) if self._of(value.value) else ""
        if value.op == "getiter":
            return self._name(value.value)
        if value.op == "iternext":
            return f"{self._name(value.value)}.next()"
        if value.op in ("pair_first", "pair_second"):
            return f"{self._name(value.value)}.{value.op.removeprefix('pair_')}"
        if value.op == "call" and not value.kws and not value.vararg:
            return self._call(statement, value)
        raise self._refused(statement, _described(value))

    def _binary(self, statement: Any, value: Any) -> str:
        function, left, right = operation_of(value), self._name(value.lhs), self._name(value.rhs)
        kinds = {self._of(value.lhs), self._of(value.rhs)}
        if _NONE in kinds:
            raise self._refused(statement, "arithmetic with something that is no number")
        if function in COMPARISONS:
            return f"{left} {COMPARISONS[function]} {right}"
        if function in OPERATORS:
            return f"{left} {OPERATORS[function]} {right}"
        if function is operator.truediv:
            return f"quotient(A({left}), A({right}))"
        if function is operator.pow:
            return self._power(value, left, right)
        prefix, cast = ("f", "A") if FLOAT in kinds else ("i", "i64")
        names = {operator.floordiv: "floor_divide", operator.mod: "remainder"}
        if function in names:
            return f"{prefix}_{names[function]}({cast}({left}), {cast}({right}))"
        raise self._refused(statement, f"the operator {getattr(function, '__name__', function)}")

    def _power(self, value: Any, left: str, right: str) -> str:
        exponent = _found(self._code, value.rhs)
        if isinstance(exponent, int | np.integer) or self._of(value.rhs) == WHOLE_NUMBER:
            exact = str(int(exponent)) if isinstance(exponent, int | np.integer) else right
            return f"whole_power({left}, {exact})"
        return f"f_sqrt(A({left}))" if exponent == 0.5 else f"f_power(A({left}), A({right}))"

    def _call(self, statement: Any, value: Any) -> str:
        function, names = _found(self._code, value.func), [self._name(item) for item in value.args]
        if function is range:
            first, last, step = {1: ("0", *names, "1"), 2: (*names, "1"), 3: tuple(names)}[len(names)]
            return f"Range{{{first}, {last}, {step}}}"
        if function is bool:
            return f"bool({names[0]})"
        if function is float:
            return f"A({names[0]})"
        if function in WHOLE and len(names) == 1:
            # Without the -0.0 that no integer is.
            return f"f_{WHOLE[function]}(A({names[0]})) + A(0)"
        known = FUNCTIONS.get(function) if _is_hashable(function) else None
        if known == "where":
            return f"f_where<A>(bool({names[0]}), A({names[1]}), A({names[2]}))"
        arguments = [f"A({name})" for name in names]
        if known is not None:
            while len(arguments) > 2 and known in ("larger", "smaller"):
                arguments[:2] = [f"f_{known}({arguments[0]}, {arguments[1]})"]
            return f"f_{known}({', '.join(arguments)})"
        formula = getattr(function, "formula", function)
        if isinstance(formula, FunctionType) and not _is_library(formula):
            defaults = list(formula.__defaults__ or ())
            missing = len(inspect.signature(formula).parameters) - len(arguments)
            arguments += (
                [_literal(default, FLOAT) for default in defaults[len(defaults) - missing :]] if missing else []
            )
            name = self._known.get(formula) or _Function(self._operation, formula, self._known, self._texts).written()
            return f"{name}<A>({', '.join(arguments)})"
        raise self._refused(statement, f"the function {getattr(function, '__name__', function)}")

    def _refused(self, statement: Any, what: str) -> FormulaError:
        line = getattr(statement.loc, "line", "?")
        return FormulaError(
            f"{self._operation}: line {line}: {what} cannot be computed on the GPU. "
            "Pass arrays on the CPU, or write it with arithmetic, if, loops and the usual functions of NumPy and math."
        )


def _successors(block: Any) -> Iterator[tuple[int, Any]]:
    last = block.body[-1]
    if isinstance(last, ir.Jump):
        yield last.target, None
    elif isinstance(last, ir.Branch):
        yield last.truebr, True
        yield last.falsebr, False


def _literal(value: Any, kind: str) -> str:
    if kind == TRUTH:
        return "true" if value else "false"
    if kind == WHOLE_NUMBER:
        return f"{int(value)}ll"
    number = float(value)
    if math.isnan(number):
        return "not_a_number(A(0))"
    if math.isinf(number):
        return "infinity(A(0))" if number > 0 else "-infinity(A(0))"
    return f"A({number!r})"


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_library(function: Any) -> bool:
    module = (getattr(function, "__module__", None) or "").partition(".")[0]
    return module in ("numba", "numpy", "math", builtins.__name__)


def _described(value: Any) -> str:
    return {"getitem": "looking something up in an array", "static_getitem": "looking something up"}.get(
        value.op, f"a step of the kind {value.op}"
    )
