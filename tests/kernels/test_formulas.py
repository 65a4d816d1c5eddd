"""What formulas are called, take from outside and may not do: nothing of it makes them something else unnoticed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk

LEAST = np.float32(-1)
X = np.random.default_rng(3).standard_normal((37, 53))

NAMES = ["_call", "kind", "type", "float", "_empty", "_serial", "_trace", "_small", "operation", "call"]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_operations_may_have_any_names(name: str) -> None:
    scope: dict[str, Callable] = {}
    exec(f"def mine({name}, y): return {name} + 2 * y", scope)
    x = X.astype("f4")
    mine = fk.elementwise(scope["mine"])
    np.testing.assert_array_equal(mine(**{name: x, "y": x}), 3 * x)
    if not name.startswith("_"):
        named = fk.elementwise(name=name)(scope["mine"])
        np.testing.assert_array_equal(named(x, x), 3 * x)
        assert named.__name__ == name


@pytest.mark.parametrize("name", ["lambda", "None", 3, "explain", "OPS"])
def test_names_that_an_operation_cannot_have(name: object) -> None:
    with pytest.raises(fk.FormulaError, match="name"):
        fk.elementwise(name=name)(lambda x: x)


def test_defaults_of_any_size() -> None:
    limited = fk.elementwise(name="limited")(lambda x, most=math.inf, least=LEAST: max(min(x, most), least))
    np.testing.assert_array_equal(limited(np.array([-3.0, 3.0])), [-1, 3])
    with pytest.raises(fk.FormulaError, match="no number that a float can hold"):
        fk.elementwise(name="bad")(lambda x, y=10**400: x)


def test_numbers_from_outside_are_those_at_the_definition_for_all_dtypes() -> None:
    scope: dict[str, object] = {"__name__": "mine", "factor": 2.0, "table": np.array([1.0, 2.0])}
    exec("def inner(x): return factor * x\ndef mine(x): return inner(x) + factor + table[1]", scope)
    first = fk.elementwise(scope["mine"])
    scope["factor"], scope["table"][1] = 3.0, 7.0  # type: ignore[index]
    for dtype in ("f4", "f8"):
        assert first(np.ones(3, dtype))[0] == 6
    second = fk.elementwise(scope["mine"])
    for dtype in ("f4", "f8"):
        assert second(np.ones(3, dtype))[0] == 13


@pytest.mark.parametrize("size", [8, 1_000_000])
def test_powers_below_zero_and_roundings_beyond_integers(size: int) -> None:
    values = np.array([0.0, -0.0, -2.5, 1e300, np.nan, np.inf, -0.3, 7.5])
    x = np.resize(values, size)
    formula = lambda x: x**-1 + x**-2  # noqa: E731
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(fk.elementwise(name="mine")(formula)(x), formula(x), rtol=1e-15)
    for mine, numpys in ((math.floor, np.floor), (math.ceil, np.ceil), (int, np.trunc), (round, np.rint)):
        result = fk.elementwise(name="mine")(lambda x: mine(x))  # noqa: B023, PLW0108
        np.testing.assert_array_equal(result(x), numpys(x))
        assert not np.signbit(result(x)[1])


def test_what_counts_stays_an_integer() -> None:
    table = np.array([1.0, 2.0, 4.0, 8.0])

    def mine(x):
        total = table[int(abs(x) * 2) % 4] + divmod(x, 2)[1]
        for k in range(int(abs(x)) + 1):
            total += k & 1
        return total

    x = X
    np.testing.assert_allclose(fk.elementwise(mine)(x), np.vectorize(mine)(x), rtol=1e-14)


@pytest.mark.parametrize("size", [5, 1_000_000])
@pytest.mark.parametrize("index", [4.0, -5.0, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_index_beyond_a_table_is_an_error(size: int, index: float, dtype: str) -> None:
    table = np.arange(8.0).reshape(4, 2)
    mine = fk.elementwise(name="mine")(lambda x: table[int(x), math.floor(x) % 2])
    x = np.full(size, -1, dtype)
    np.testing.assert_array_equal(mine(x), table[-1, 1])
    x[-1] = index
    with pytest.raises(IndexError, match="out of bounds"):
        mine(x)


def raising(x):
    if x > 1:
        raise ValueError
    return x


def catching(x):
    try:
        return 1 / x
    except ZeroDivisionError:
        return 0.0


def endless(x):
    return x if x < 1 else endless(x - 1)


REFUSED = {
    "raise": (raising, "cannot raise"),
    "try": (catching, "cannot raise"),
    "recursion": (endless, "calls itself"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_be_lost_or_end_the_process_is_refused(what: str) -> None:
    """An exception in a thread of ours had no way out: elements behind it were never computed."""
    function, message = REFUSED[what]
    with pytest.raises(fk.FormulaError, match=message):
        fk.elementwise(name="bad")(function)


def test_python_numbers_adapt_to_bfloat16() -> None:
    x = X.astype("f4").astype(ml_dtypes.bfloat16)
    assert fk.scale(x, 0.5).dtype == x.dtype
    np.testing.assert_array_equal(fk.scale(x, 2.0).astype("f4"), 2 * x.astype("f4"))


MODULE = """
import numpy as np, fused_kernels as fk, settings
@fk.elementwise
def mine(x):
    return settings.K * x
print(mine(np.ones(1000, "f4"))[0], mine(np.ones(1000))[0])
"""


def test_a_number_in_another_module_is_not_mistaken_for_an_earlier_one(
    fresh_process: Callable[..., str], tmp_path: Path
) -> None:
    for number in (3.0, 4.0):
        (tmp_path / "settings.py").write_text(f"K = {number}")
        code = f"import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {str(tmp_path)!r})\n{MODULE}"
        assert fresh_process(code, NUMBA_CACHE_DIR=str(tmp_path)) == f"{number} {number}"
