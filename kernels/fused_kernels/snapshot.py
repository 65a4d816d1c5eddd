"""What a formula depends on, as it is when it is defined: later changes outside must not make two versions of one."""

from __future__ import annotations

import builtins
import dis
import hashlib
import inspect
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .errors import FormulaError

_LIBRARIES = ("numpy", "scipy", "math", "cmath", "builtins", "operator", "numba", "ml_dtypes", __package__)
"""Packages whose contents do not change while a version of them is installed."""
_TOLD_BY_REPR = (int, float, str, bytes, np.number, np.ufunc)


def snapshot(function: FunctionType) -> FunctionType:
    """Return a copy of a function with the values that its names from outside have now; so are functions it calls.

    A formula is compiled for each dtype when that is first needed, perhaps long after numbers in it were bound anew.

    Raises
    ------
    FormulaError
        If a function calls itself, since compiled code that does so too often ends the process.
    """
    _refuse_recursion(function, ())
    return _function(function, {})


def digest(function: FunctionType) -> str | None:
    """Return text that changes with anything that a compiled `snapshot` depends on; None if that cannot be told."""
    found = hashlib.sha256()
    try:
        _add(found, function, set())
    except _UnknownValueError:
        return None
    return found.hexdigest()


def _refuse_recursion(function: FunctionType, callers: tuple[FunctionType, ...]) -> None:
    if function in callers:
        raise FormulaError(
            f"{callers[0].__name__}: line {function.__code__.co_firstlineno}: {function.__name__} calls itself, which "
            "has no limit in compiled code. Write a loop."
        )
    outside = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    loaded = {step.argval for step in dis.get_instructions(function) if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF")}
    for value in (outside[name] for name in loaded & outside.keys()):
        if _is_own(value):
            _refuse_recursion(value, (*callers, function))


def _is_own(value: Any) -> bool:
    """Whether a value is a user's function that is compiled with the formula; an operation is compiled already."""
    return isinstance(value, FunctionType) and not _is_library(value.__module__) and not hasattr(value, "formula")


def _function(function: FunctionType, seen: dict[Any, Any]) -> FunctionType:
    if id(function) in seen:
        known: FunctionType = seen[id(function)]
        return known
    names = frozenset(_names(function.__code__))
    outside: dict[str, Any] = {"__builtins__": builtins, "__name__": function.__module__ or "__main__"}
    cells = tuple(CellType() for _ in function.__closure__ or ())
    copy = FunctionType(function.__code__, outside, function.__name__, function.__defaults__, cells)
    copy.__kwdefaults__, copy.__doc__ = function.__kwdefaults__, function.__doc__
    copy.__qualname__, copy.__annotations__ = function.__qualname__, function.__annotations__
    copy.__dict__.update(function.__dict__)
    seen[id(function)] = copy
    for name in names & function.__globals__.keys():
        outside[name] = _value(function.__globals__[name], names, seen)
    for cell, original in zip(cells, function.__closure__ or (), strict=True):
        try:
            cell.cell_contents = _value(original.cell_contents, names, seen)
        except ValueError:  # a name that is bound only after the definition
            continue
    return copy


def _value(value: Any, names: frozenset[str], seen: dict[Any, Any]) -> Any:
    if _is_own(value):
        return _function(value, seen)
    if isinstance(value, ModuleType) and not _is_library(value.__name__):
        key = (id(value), names)
        if key not in seen:
            seen[key] = copy = ModuleType(value.__name__)
            for name in names & vars(value).keys():
                setattr(copy, name, _value(vars(value)[name], names, seen))
        return seen[key]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_value(item, names, seen) for item in value)
    return value.copy() if type(value) in (np.ndarray, list) else value


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names from outside, and the attributes, that a function and those defined in it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES


class _UnknownValueError(Exception):
    pass


def _add(found: Any, value: Any, seen: set[int]) -> None:
    if isinstance(value, CodeType):
        found.update(repr((value.co_code, value.co_names, value.co_varnames, value.co_freevars)).encode())
        for constant in value.co_consts:
            _add(found, constant, seen)
    elif isinstance(value, FunctionType):
        if id(value) in seen:
            return
        seen.add(id(value))
        _add(found, value.__code__, seen)
        used = sorted({*_names(value.__code__)} & value.__globals__.keys())
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        _add(found, (value.__defaults__, tuple(used), *(value.__globals__[name] for name in used), *cells), seen)
    elif isinstance(value, tuple):
        found.update(b"(")
        for item in value:
            _add(found, item, seen)
        found.update(b")")
    elif isinstance(value, ModuleType) and _is_library(value.__name__):
        found.update(f"{value.__name__} {getattr(value, '__version__', '')}".encode())
    elif value is None or isinstance(value, _TOLD_BY_REPR) or inspect.isbuiltin(value):
        found.update(repr(value).encode() + b";")
    else:
        raise _UnknownValueError
