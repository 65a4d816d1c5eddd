"""Small calls of formulas go to machine code in one step, which takes what fits and refuses the rest."""

from __future__ import annotations

import inspect
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
Taking = Callable[..., Any]
DTYPES = ("float32", "float64")
rng = np.random.default_rng(11)


def attempt(name: str, *args: Any, out: Any = None) -> Any:
    """Call what the public function tries first, with all that it may need compiled; None if it refuses."""
    from fused_kernels.cpu.loops.elements_launch import attempt as first

    operation = fk.OPS[name].function
    for dtype in DTYPES:
        one = np.ones((1, 2), dtype)
        operation(*(0.5 if isinstance(value, int | float) else one for value in args))
        operation(*[one] * len(args))
    return first(operation.forms().kit, out, args)  # type: ignore[attr-defined]


def slow(operation: Taking, *args: Any, **named: Any) -> Any:
    """Return what the other path gives, which a trace makes a call take."""
    with tracing():
        return operation(*args, **named)


@pytest.fixture
def blend() -> Iterator[Taking]:
    yield fk.elementwise(name="blend")(lambda x, y, t=0.25: x + t * (y - x))


TAKEN: dict[str, Callable[[str], Array]] = {
    "a matrix": lambda dtype: rng.standard_normal((8, 64)).astype(dtype),
    "one element": lambda dtype: rng.standard_normal(1).astype(dtype),
    "an odd number": lambda dtype: rng.standard_normal(17).astype(dtype),
    "four axes": lambda dtype: rng.standard_normal((2, 1, 3, 33)).astype(dtype),
    "a part": lambda dtype: rng.standard_normal((9, 5)).astype(dtype)[3:7],
    "32 axes": lambda dtype: np.ones((1,) * 31 + (3,), dtype),
    "enough that others run meanwhile": lambda dtype: rng.standard_normal((60, 80)).astype(dtype),
}
NUMBERS: dict[str, Any] = {"a float": 1.5, "an integer": 3, "a negative": -1, "true": True, "infinity": float("inf")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", TAKEN)
def test_what_fits_is_taken(blend: Taking, what: str, dtype: str) -> None:
    x, y = TAKEN[what](dtype), TAKEN[what](dtype)
    expected = slow(blend, x, y)
    x.flags.writeable = y.flags.writeable = False
    done = attempt("blend", x, y, 0.25)
    assert type(done) is np.ndarray
    assert done.dtype == x.dtype
    assert done.flags.carray
    assert done.flags.owndata
    np.testing.assert_array_equal(done, expected)
    out = np.full_like(expected, np.nan)
    assert attempt("blend", x, y, 0.25, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)], ids=str)
@pytest.mark.parametrize("size", [1, 63, 512, 1000])
def test_a_result_may_lie_exactly_over_its_inputs(blend: Taking, size: int, which: tuple[int, ...], dtype: str) -> None:
    inputs = [rng.standard_normal(size).astype(dtype) for _ in range(2)]
    for view in (False, True):
        given = [value.copy() for value in inputs]
        out = given[which[0]]
        for position in which:
            given[position] = out
        expected = slow(blend, *(value.copy() for value in given))
        target = out[:] if view else out
        assert attempt("blend", *given, 0.25, out=target) is target
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_of_python_take_the_dtype_of_the_arrays(what: str, dtype: str) -> None:
    x, number = rng.standard_normal((3, 7)).astype(dtype), NUMBERS[what]
    done = attempt("scale", x, number)
    assert done.dtype == dtype
    np.testing.assert_array_equal(done, x * number)
    np.testing.assert_array_equal(attempt("scale", number, x), x * number)


@pytest.mark.parametrize("number", [2**53 + 1, -(2**70), 10**300, 1 << 1023])
def test_large_integers_are_rounded_as_python_does(number: int) -> None:
    np.testing.assert_array_equal(attempt("scale", np.ones(3), number), float(number))


class Mine(np.ndarray[Any, Any]):
    """A subclass, which has its own ideas."""


class Number(float):
    """A number with ideas of its own."""


X = rng.standard_normal((4, 6))
READ_ONLY = np.empty_like(X)
READ_ONLY.flags.writeable = False
BUFFER = np.zeros((6, 6))
ASKEW = np.zeros(8 * 24 + 1, np.uint8)[1:].view(float).reshape(4, 6)
REFUSED: dict[str, tuple[Any, ...]] = {
    "no array": (X.tolist(), 2.0),
    "None": (None, X),
    "None as the other": (X, None),
    "numbers alone": (2.0, 3.0),
    "a subclass": (X.view(Mine), 2.0),
    "a subclass as the other": (X, X.view(Mine)),
    "masked": (np.ma.masked_array(X), 2.0),
    "another dtype": (X.astype(np.float16), 2.0),
    "two dtypes": (X, X.astype("f4")),
    "integers": (np.ones((4, 6), int), 2.0),
    "complex": (X.astype(complex), 2.0),
    "byte order": (X.astype(X.dtype.newbyteorder()), 2.0),
    "columns first": (np.asfortranarray(X), 2.0),
    "rows apart": (np.ones((4, 12))[:, ::2], 2.0),
    "one row for all": (np.broadcast_to(X[0], (4, 6)), 2.0),
    "shapes that broadcast": (X, X[0]),
    "other shapes of one size": (X, X.reshape(6, 4)),
    "more axes": (X, X[None]),
    "not aligned": (ASKEW, 2.0),
    "no axis": (np.empty(()), 2.0),
    "nothing in it": (np.empty((0, 6)), 2.0),
    "many bytes": (np.ones((400, 600)), 2.0),
    "a number of NumPy": (X, np.float64(2)),
    "a truth of NumPy": (X, np.bool_(True)),
    "a number of its own": (X, Number(2)),
    "a complex number": (X, 2j),
    "text": (X, "2"),
    "an integer beyond floats": (X, 10**400),
    "a negative beyond floats": (X, -(10**400)),
    "out of another shape": (X, 2.0, np.empty((4, 7))),
    "out of more axes": (X, 2.0, np.empty((1, 4, 6))),
    "out of another dtype": (X, 2.0, np.empty((4, 6), "f4")),
    "out is no array": (X, 2.0, X.tolist()),
    "out is a number": (X, 2.0, 2.0),
    "out is a subclass": (X, 2.0, np.empty_like(X).view(Mine)),
    "out is read-only": (X, 2.0, READ_ONLY),
    "out is not contiguous": (X, 2.0, np.empty((4, 12))[:, ::2]),
    "out is not aligned": (X, 2.0, ASKEW),
    "out overlaps": (BUFFER[:4], 2.0, BUFFER[1:5]),
    "out overlaps from before": (BUFFER[1:5], 2.0, BUFFER[:4]),
    "out overlaps the other": (X, BUFFER[:4], BUFFER[2:]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused_and_nothing_written(what: str) -> None:
    *args, out = (*REFUSED[what], None)[:3]
    values = [value for value in (*args, out) if isinstance(value, np.ndarray)]
    before = [np.array(value) for value in values]
    assert attempt("scale", *args, out=out) is None
    for value, copy in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, copy)


def test_formulas_of_many_arguments_go_the_other_way() -> None:
    scope: dict[str, Taking] = {}
    names = [f"x{k}" for k in range(9)]
    exec(f"def many({', '.join(names)}): return {' + '.join(names)}", scope)
    many = fk.elementwise(scope["many"])
    for size in (5, 100_000):
        x = rng.standard_normal(size)
        for _ in range(2):
            np.testing.assert_allclose(many(*[x] * 8, 2), 8 * x + 2, rtol=1e-13, atol=1e-13)
    assert attempt("many", *[np.ones(3)] * 9) is None


def test_the_public_function_is_the_users() -> None:
    @fk.elementwise
    def lerp(start, stop, weight=1):
        """Between the two."""
        return start + weight * (stop - start)

    assert str(inspect.signature(lerp)) == "(start, stop, weight=1.0, *, out=None)"
    assert (lerp.__doc__ or "").startswith("Between the two.")
    x, y = np.zeros(5), np.ones(5)
    for _ in range(2):
        np.testing.assert_array_equal(lerp(stop=y, start=x), 1)
        np.testing.assert_array_equal(lerp(x, y, weight=3), 3)
    for args, named in (((x,), {}), ((x, y, 1, 2), {}), ((x, y), {"wait": 1}), ((x, y), {"start": x})):
        with pytest.raises(TypeError, match=r"lerp\(\)"):
            lerp(*args, **named)


def test_a_formula_that_is_defined_anew_is_computed_anew() -> None:
    x = np.ones((4, 4), "f4")
    for number in (1.0, 2.0, 3.0):
        operation = fk.elementwise(name="anew")(lambda x: number * x)  # noqa: B023
        for _ in range(3):
            assert operation(x)[0, 0] == number


def test_a_trace_sees_small_calls() -> None:
    x = np.ones((4, 4), "f4")
    fk.relu(x)
    with tracing() as found:
        fk.relu(x)
    assert (found.implementation, found.form) == ("numba", "serial")
    out = np.full_like(x, 7)
    assert fk.explain("relu", x, out=out).form == "serial"
    np.testing.assert_array_equal(out, 7)


def test_no_reference_is_lost_or_kept() -> None:
    x, y, out = (np.ones((4, 6), "f4") for _ in range(3))
    number, small, table = 1.5, 7, np.arange(4.0)
    looked_up = fk.elementwise(name="looked_up")(lambda x: table[int(x)])
    beyond = np.full(6, 9.0)
    looked_up(np.ones(6))

    def fails() -> None:
        with pytest.raises(IndexError):
            looked_up(beyond)

    kept = (x, y, out, beyond, number, small, None, True, x.dtype, fk.scale)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: fk.scale(x, number),
        lambda: fk.scale(x, small, out=out),
        lambda: fk.scale(True, x, out=x),
        lambda: fk.swiglu(x, y),
        lambda: attempt_of_scale(x, 10**400),
    )
    from fused_kernels.cpu.loops.elements_launch import attempt as first

    def attempt_of_scale(*args: Any) -> None:
        assert first(fk.scale.forms().kit, None, args) is None

    for call in (*calls, fails):
        call()
    before = [sys.getrefcount(value) for value in kept]
    tracemalloc.start()
    begin = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        for call in calls:
            call()
    for _ in range(300):
        fails()
    grown = tracemalloc.get_traced_memory()[0] - begin
    tracemalloc.stop()
    after = [sys.getrefcount(value) for value in kept]
    assert max(abs(one - two) for one, two in zip(before, after, strict=True)) < 200
    # A result that is not given up is 96 bytes and its object.
    assert grown < 20_000
    counts = sys.getrefcount(fk.scale(x, 2)), sys.getrefcount(fk.scale(x, 2, out=out)) - sys.getrefcount(out)
    assert counts == (1, 0)


def test_threads_do_not_disturb_one_another() -> None:
    wrong: list[Any] = []

    def hammer(seed: int) -> None:
        # Below and above the size from which Python's lock is given up.
        own = np.random.default_rng(seed)
        arrays = [own.standard_normal(shape).astype("f4") for shape in ((8, 64), (70, 80))]
        for _ in range(300):
            for x in arrays:
                out = np.empty_like(x)
                if not (fk.scale(x, 2) == x * 2).all() or not (fk.scale(x, seed, out=out) == x * seed).all():
                    wrong.append(seed)

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
