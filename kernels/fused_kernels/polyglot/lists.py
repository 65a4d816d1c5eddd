"""The three functions of polyglot-bridge that take and return Python lists."""

# The docstrings have the original's sections.
# ruff: noqa: D406, D407

from __future__ import annotations

import math
import operator
from array import array
from typing import Any, TypeAlias

import numpy as np

import fused_kernels as fk
from fused_kernels.dispatch import Array
from fused_kernels.errors import ShapeError

from .arguments import Numbers, floats, number, packed, sequence

Row: TypeAlias = "array[float] | Array"

_FEW = 32
"""Numbers up to which Python's own arithmetic is quicker than the way to an array and back."""
_MANY = 1 << 16
"""Numbers from which a kernel is called. Below, converting the list takes 95 % of the time whatever computes, and NumPy
does not load a compiler first: half a second, which a script with short lists would wait for."""
_MANY_PRODUCTS = 32**3
"""Products of two elements from which a kernel multiplies matrices faster than NumPy."""


def sum_of_squares(numbers: Any) -> float:
    """Compute the sum of the squares of a list of numbers.

    Args:
        numbers (List[float]): real numbers, at least one; any sequence will do

    Returns:
        float: the sum; NaN if a NaN is among the numbers

    Raises:
        ValueError: if the list is empty
        TypeError: if it is no sequence, or an element is no number
        RuntimeError: if the sum is beyond float64 (overflow)

    Example:
        >>> sum_of_squares([1.0, 2.0, 3.0])
        14.0
    """
    values = _not_empty("numbers", sequence("numbers", numbers))
    if len(values) <= _FEW:
        few = floats("numbers", values)
        total: float = sum(map(operator.mul, few, few))
    else:
        many = packed("numbers", values)
        with np.errstate(all="ignore"):
            total = float(many @ many if many.size < _MANY else fk.sum_of_squares(many))
    if math.isinf(total):
        raise RuntimeError(
            f"Computation resulted in overflow: the sum of the squares of these {len(values)} numbers is no finite "
            "float64. Scale them down first, or look for an inf among them."
        )
    return total


def matrix_multiply(a: Any, b: Any) -> list[list[float]]:
    """Multiply two matrices, given as lists of rows.

    Args:
        a (List[List[float]]): m rows of n real numbers
        b (List[List[float]]): n rows of p real numbers

    Returns:
        List[List[float]]: the product, m rows of p numbers

    Raises:
        ValueError: if a matrix is empty, its rows differ in length, or the dimensions do not match
        TypeError: if it is no sequence of sequences, or an element is no number

    Example:
        >>> matrix_multiply([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]])
        [[19.0, 22.0], [43.0, 50.0]]
    """
    left, right = _rows("a", a), _rows("b", b)
    inner, columns = _width("a", _not_empty("a", left)), _width("b", _not_empty("b", right))
    if inner != len(right) or not columns:
        raise ShapeError(
            f"Matrix dimensions do not match: a is {len(left)} x {inner}, b is {len(right)} x {columns}. "
            "b needs as many rows as a has columns, and at least one column."
        )
    if len(left) * inner * columns <= _FEW:
        turned = list(zip(*right, strict=True))
        return [[sum(map(operator.mul, row, column)) for column in turned] for row in left]
    first, second = _matrix(left, inner), _matrix(right, columns)
    with np.errstate(all="ignore"):
        product = first @ second if len(left) * inner * columns < _MANY_PRODUCTS else fk.matmul(first, second)
    rows: list[list[float]] = product.tolist()
    return rows


def parallel_transform(data: Any, factor: float) -> list[float]:
    """Multiply each number of a list by a factor.

    Args:
        data (List[float]): real numbers, at least one; any sequence will do
        factor (float): a real number

    Returns:
        List[float]: the products

    Raises:
        ValueError: if the list is empty
        TypeError: if it is no sequence, or an element or the factor is no number

    Example:
        >>> parallel_transform([1.0, 2.0, 3.0], 2.0)
        [2.0, 4.0, 6.0]
    """
    values = sequence("data", data)
    if len(values) <= _FEW:
        few = floats("data", values)
        factor = number("factor", factor)
        return [value * factor for value in _not_empty("data", few)]
    many, factor = packed("data", values), number("factor", factor)
    with np.errstate(all="ignore"):
        scaled = many * factor if many.size < _MANY else fk.scale(many, factor)
    products: list[float] = scaled.tolist()
    return products


def _not_empty(name: str, values: Any) -> Any:
    if not len(values):
        raise ShapeError(f"Input cannot be empty: {name} has no elements. Pass at least one.")
    return values


def _rows(name: str, value: Any) -> list[Row]:
    return [_row(name, sequence(name, row)) for row in sequence(name, value)]


def _row(name: str, values: Numbers) -> Row:
    return floats(name, values) if len(values) <= _FEW else packed(name, values)


def _width(name: str, rows: list[Row]) -> int:
    widths = set(map(len, rows))
    if len(widths) > 1:
        raise ShapeError(
            f"Matrix dimensions do not match: the rows of {name} have from {min(widths)} to {max(widths)} elements. "
            "Pass rows of one length."
        )
    return widths.pop()


def _matrix(rows: list[Row], width: int) -> Array:
    return np.frombuffer(b"".join([row.tobytes() for row in rows])).reshape(len(rows), width)
