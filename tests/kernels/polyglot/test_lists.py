"""The three functions on Python lists: which arguments they take, what they return, how they refuse."""

from __future__ import annotations

import array
import re
from collections import UserList, deque
from collections.abc import Callable
from fractions import Fraction
from math import inf, nan
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from fused_kernels import polyglot


class Items:
    """A sequence by its items only."""

    def __getitem__(self, index: int) -> int:
        return [1, 2][index]


class Mine(np.ndarray):
    """Somebody's own kind of array."""


class Number:
    """A number by its conversion only."""

    def __float__(self) -> float:
        return 3.0


class Broken:
    """A number whose conversion fails."""

    def __float__(self) -> float:
        raise ZeroDivisionError("on purpose")


def no_sequence(name: str, kind: str) -> TypeError:
    return TypeError(f"argument '{name}': '{kind}' object cannot be cast as 'Sequence'")


def no_number(name: str, kind: str) -> TypeError:
    return TypeError(f"argument '{name}': must be real number, not {kind}")


def text(name: str) -> TypeError:
    return TypeError(f"argument '{name}': Can't extract `str` to `Vec`")


EMPTY = ValueError("Input cannot be empty")
MISMATCH = ValueError("Matrix dimensions do not match")
OVERFLOW = RuntimeError("Computation resulted in overflow")
TOO_LARGE = OverflowError("int too large to convert to float")
LONG = [0.5] * 10_000
VERY_LONG = [0.5] * 100_000
ONE_TWO = {
    "integers": [1, 2],
    "a bool": [True, 2.0],
    "a fraction and a NumPy scalar": [Fraction(1), np.float32(2)],
    "0-d arrays": [np.array(1.0), np.array(2)],
    "a tuple": (1.0, 2.0),
    "a range": range(1, 3),
    "a deque": deque([1, 2]),
    "a UserList": UserList([1, 2]),
    "an array.array": array.array("i", [1, 2]),
    "items": Items(),
    "bytes": b"\1\2",
    "a memoryview": memoryview(b"\1\2"),
    "float64": np.array([1.0, 2.0]),
    "float32": np.array([1, 2], "f4"),
    "int64": np.array([1, 2]),
    "big-endian": np.array([1, 2], ">f8"),
    "objects": np.array([1, 2], object),
    "strided": np.array([1, 9, 2])[::2],
    "a subclass": np.array([1.0, 2.0]).view(Mine),
}
"""What is taken for the list [1.0, 2.0]."""
NO_LISTS = [(None, "NoneType"), (1, "int"), (1.0, "float"), ({1.0}, "set"), ({}, "dict"), (np.float64(1), "float64")]
NO_NUMBERS = [(["x"], "str"), (["1"], "str"), ([1.0, None], "NoneType"), ([1j], "complex"), ([[1.0]], "list")]
NO_FACTORS = [("2", "str"), (None, "NoneType"), (1j, "complex"), ([2.0], "list"), (b"2", "bytes")]

SUM_OF_SQUARES = [
    ([1.0, 2.0, 3.0], 14.0),
    (LONG, 2500.0),
    (VERY_LONG, 25_000.0),
    ([1e200] * 100_000, OVERFLOW),
    ([Number(), 1], 10.0),
    ([1e-300, 5e-324], 0.0),
    ([nan], nan),
    ([nan, inf], nan),
    ([nan] * 99, nan),
    ([1e200], OVERFLOW),
    ([inf], OVERFLOW),
    ([-inf, 1.0], OVERFLOW),
    ([1e154] * 3, OVERFLOW),
    ([1e154] * 99, OVERFLOW),
    ([10**400], TOO_LARGE),
    ([*LONG, 10**400], TOO_LARGE),
    ([Broken()], ZeroDivisionError("on purpose")),
    ([*LONG, Broken()], ZeroDivisionError("on purpose")),
    ("abc", text("numbers")),
    ("", text("numbers")),
    (iter([1.0]), no_sequence("numbers", "list_iterator")),
    (np.array(1.0), TypeError("argument 'numbers': iteration over a 0-d array")),
    (np.ones((2, 2)), TypeError("argument 'numbers': only 0-dimensional arrays")),
    ([np.ones(1)], TypeError("argument 'numbers': only 0-dimensional arrays")),
    *((same, 5.0) for same in ONE_TWO.values()),
    *((empty, EMPTY) for empty in ([], (), b"", np.ones(0), np.ones((0, 3)))),
    *((value, no_sequence("numbers", kind)) for value, kind in NO_LISTS),
    *((value, no_number("numbers", kind)) for value, kind in NO_NUMBERS),
    *((LONG + value, no_number("numbers", kind)) for value, kind in NO_NUMBERS),
]
TRANSFORM = [
    ([1.0, -2.0, 0.0], 2.5, [2.5, -5.0, 0.0]),
    (LONG, 3, [1.5] * 10_000),
    (VERY_LONG, 3, [1.5] * 100_000),
    ([1e308] * 100, 10.0, [inf] * 100),
    ([1.0, inf], Number(), [3.0, inf]),
    ([1.0, 0.0, nan, 1e308], inf, [inf, nan, nan, inf]),
    ([1e308], 10.0, [inf]),
    ([1.0], 10**400, TOO_LARGE),
    ("ab", "cd", text("data")),
    *((same, 2, [2.0, 4.0]) for same in ONE_TWO.values()),
    *((empty, 2.0, EMPTY) for empty in ([], (), np.ones(0))),
    *((value, 2.0, no_sequence("data", kind)) for value, kind in NO_LISTS),
    *((value, 2.0, no_number("data", kind)) for value, kind in NO_NUMBERS),
    *((data, value, no_number("factor", kind)) for value, kind in NO_FACTORS for data in ([1.0], LONG, [])),
    ([1.0], np.ones(1), TypeError("argument 'factor': only 0-dimensional arrays")),
]
MULTIPLY = [
    ([[1, 2], [3, 4]], [[5, 6], [7, 8.0]], [[19.0, 22.0], [43.0, 50.0]]),
    ([[3.0]], [[4.0]], [[12.0]]),
    ([LONG] * 3, [[2.0]] * 10_000, [[10_000.0]] * 3),
    ([[nan, 1e200]], [[0.0, 1.0], [0.0, 1e200]], [[nan, nan]]),
    ([[1e200]], [[1e200]], [[inf]]),
    ([[1e200] * 50], [[1e200]] * 50, [[inf]]),
    ([[0.5] * 40] * 40, [[2.0] * 40] * 40, [[40.0] * 40] * 40),
    (np.array([[1.0, 2.0]]), np.array([[3], [4]], "f4"), [[11.0]]),
    (((1, 2),), deque([deque([3]), [4]]), [[11.0]]),
    *(([same], [[3], [4]], [[11.0]]) for same in ONE_TWO.values()),
    *((a, b, EMPTY) for a, b in (([], [[1.0]]), ([[1.0]], []), ([], []), ([[], []], []), (np.ones((0, 2)), [[1]]))),
    *((a, b, MISMATCH) for a, b in (([[1.0, 2.0]], [[1.0, 2.0]]), ([[]], [[1.0]]), ([[1.0]], [[]]), ([[]], [[]]))),
    *((a, [[1.0], [1.0]], MISMATCH) for a in ([[1.0, 2.0], [3.0]], [[1.0], [1.0, 2.0]], [[1.0, 2.0], []])),
    *(([[1.0, 2.0]], b, MISMATCH) for b in ([[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], [[1.0], []])),
    *((value, [[1.0]], no_sequence("a", kind)) for value, kind in NO_LISTS),
    *(([[1.0]], [value], no_sequence("b", kind)) for value, kind in NO_LISTS),
    *(([[1.0], value], [[1.0]], no_number("a", kind)) for value, kind in NO_NUMBERS),
    *((value, None, text("a")) for value in ("a", ["ab"], [[1.0], "a"])),
    ([1.0, 2.0], [[1.0]], no_sequence("a", "float")),
    ([["x"]], [], no_number("a", "str")),
]
CALLS: list[tuple[str, tuple[Any, ...], Any]] = [
    *(("sum_of_squares", (numbers,), expected) for numbers, expected in SUM_OF_SQUARES),
    *(("parallel_transform", (data, factor), expected) for data, factor, expected in TRANSFORM),
    *(("matrix_multiply", (a, b), expected) for a, b, expected in MULTIPLY),
]


def written(call: Any) -> str:
    """Return a call as text, without addresses: pytest's processes must agree on the names of tests."""
    return f"{call[0]}({', '.join(re.sub(r' at 0x[0-9a-f]+', '', repr(a))[:30] for a in call[1])})"


@pytest.mark.parametrize("call", CALLS, ids=written)
def test_behaviour(behaves: Callable[..., None], call: tuple[str, tuple[Any, ...], Any]) -> None:
    behaves(*call)


def test_short_lists_do_not_wait_for_a_compiler(fresh_process: Callable[..., str]) -> None:
    code = """
import sys
from fused_kernels import polyglot
polyglot.sum_of_squares([1.0] * 1000), polyglot.parallel_transform([1.0] * 1000, 2.0)
polyglot.matrix_multiply([[1.0] * 20] * 20, [[1.0] * 20] * 20)
print("numba" in sys.modules)
"""
    assert fresh_process(code) == "False"


def test_by_name(package: ModuleType) -> None:
    assert package.sum_of_squares(numbers=[2.0]) == 4
    assert package.parallel_transform(factor=2.0, data=[1.0]) == [2]
    assert package.matrix_multiply(b=[[3.0], [4.0]], a=[[1.0, 2.0]]) == [[11]]


numbers = st.lists(st.floats(-1e100, 1e100) | st.integers(-(10**9), 10**9), min_size=1, max_size=60)


@given(numbers)
def test_sum_of_squares_of_any_numbers(values: list[float]) -> None:
    expected = sum(float(value) * float(value) for value in values)
    assert polyglot.sum_of_squares(values) == pytest.approx(expected, rel=1e-12)


@given(numbers, st.floats(allow_nan=False))
def test_transform_of_any_numbers(values: list[float], factor: float) -> None:
    np.testing.assert_array_equal(polyglot.parallel_transform(values, factor), [float(v) * factor for v in values])


@given(st.tuples(*[st.integers(1, 9)] * 3).flatmap(lambda mkn: st.tuples(
    nps.arrays("f8", mkn[:2], elements=st.floats(-1e9, 1e9)), nps.arrays("f8", mkn[1:], elements=st.floats(-1e9, 1e9))
)))  # fmt: skip
def test_product_of_any_matrices(matrices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = matrices
    product = polyglot.matrix_multiply(a.tolist(), b.tolist())
    assert [len(row) for row in product] == [b.shape[1]] * a.shape[0]
    np.testing.assert_allclose(product, a @ b, rtol=1e-12, atol=1e-14 * np.abs(a).max() * np.abs(b).max() * 9)
