"""The sum of squares: any axes of any layout, exact however long, the same on any number of threads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fused_kernels as fk
from fused_kernels.ops.sum_of_squares.cpu import attempt

RELATIVE = {"float32": 1e-6, "float64": 3e-15}
VIEWS = {
    "as it is": lambda a: a,
    "reversed": lambda a: a[::-1, ..., ::-1],
    "transposed": lambda a: a.T,
    "every second column": lambda a: a[..., ::2],
    "every second row": lambda a: a[::2],
    "some columns": lambda a: a[..., 1:-1],
    "middle axes swapped": lambda a: a.swapaxes(1, 2),
    "broadcast": lambda a: np.broadcast_to(a[:1], (3, *a.shape[1:])),
}


def assert_right(x: np.ndarray, axis: object = None, **options: bool) -> None:
    result, expected = fk.sum_of_squares(x, axis, **options), np.sum(np.square(x.astype("g")), axis=axis, **options)
    assert type(result) is type(np.sum(x, axis=axis, **options))
    assert result.dtype == x.dtype
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.astype("g"), expected, rtol=RELATIVE[x.dtype.name])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", RELATIVE)
def test_any_axes_of_any_layout(dtype: str, view: str) -> None:
    x = VIEWS[view](np.random.default_rng(0).standard_normal((4, 3, 70, 35)).astype(dtype))
    for count in range(5):
        for axes in itertools.combinations(range(4), count):
            assert_right(x, axes)
            assert_right(x, axes, keepdims=True)
    assert_right(x)
    assert_right(x, -1)


@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
        elements=st.floats(-1000, 1000, width=32),
    ),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_random_shapes_and_axes(x: np.ndarray, data: st.DataObject) -> None:
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))
    axes = data.draw(st.sets(st.sampled_from(range(x.ndim))) if x.ndim else st.just(set()))
    expected = np.sum(np.square(x.astype("f8")), axis=tuple(axes))
    np.testing.assert_allclose(fk.sum_of_squares(x, tuple(axes)), expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", RELATIVE)
@pytest.mark.parametrize(
    ("shape", "axis"), [((3_000_001,), None), ((2, 1_000_001), 1), ((400_003, 5), 0), ((1_000_003, 2), None)]
)
def test_millions_of_elements_do_not_drift(dtype: str, shape: tuple[int, ...], axis: int | None) -> None:
    x = (np.random.default_rng(0).standard_normal(shape) + 3).astype(dtype)
    expected = np.sum(np.square(x, dtype="g"), axis=axis)
    tolerance = {"float32": 4e-7, "float64": 1e-15}[dtype]
    np.testing.assert_allclose(np.asarray(fk.sum_of_squares(x, axis), "g"), expected, rtol=tolerance)


def test_small_numbers_after_a_large_one_are_not_lost() -> None:
    x = np.full(2_000_000, 1.0)
    x[0] = 1e9
    # Added one by one, all of them would be: half the spacing of numbers at 1e18 is 64.
    assert abs(float(fk.sum_of_squares(x)) - (1e18 + 1_999_999)) <= 1024


@pytest.mark.parametrize("dtype", RELATIVE)
def test_threads_change_nothing(use_threads: Callable[[int], None], dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((700, 1501)).astype(dtype)
    for array, axis in ((x, None), (x, 0), (x, 1), (x[:, ::2], None), (x[:, :-1], None), (x.T[::-1], 0)):
        results = []
        for count in (1, 2, 3, 7):
            use_threads(count)
            told = fk.explain("sum_of_squares", array, axis)
            assert told.form == ("serial" if count == 1 else "parallel")
            results.append(fk.sum_of_squares(array, axis))
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


def test_a_contiguous_and_a_strided_array_agree_to_the_last_bit() -> None:
    x = np.random.default_rng(0).standard_normal(200_003)
    apart = np.repeat(x, 2)[::2]
    assert fk.sum_of_squares(apart) == fk.sum_of_squares(x)


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "broadcast"])
def test_a_view_is_read_where_it_lies(view: str) -> None:
    x = VIEWS[view](np.ones((4, 3, 70, 35), np.float32))
    assert not [note for note in fk.explain("sum_of_squares", x).notes if "copied" in note]


def test_more_axes_than_a_kernel_takes_are_copied_and_that_is_said() -> None:
    x = np.random.default_rng(0).standard_normal((3, 4, 3, 4, 3, 4))[::2, ::2, ::2, ::2, ::2, ::2]
    assert any("x: copied" in note for note in fk.explain("sum_of_squares", x, (0, 2, 4)).notes)
    assert_right(x, (0, 2, 4))
    assert_right(x)


@pytest.mark.parametrize("dtype", RELATIVE)
def test_special_values(dtype: str) -> None:
    for value in (np.inf, -np.inf, np.nan):
        for size in (3, 200_000):
            x = np.ones((2, size), dtype)
            x[1, size // 2] = value
            expected = math.nan if np.isnan(value) else math.inf
            np.testing.assert_array_equal(fk.sum_of_squares(x), expected)
            np.testing.assert_array_equal(fk.sum_of_squares(x, 1), [size, expected])
            np.testing.assert_array_equal(fk.sum_of_squares(x, 0)[size // 2], expected)
    too_large = np.full(10, np.finfo(dtype).max)
    assert fk.sum_of_squares(too_large) == np.inf


@pytest.mark.parametrize("dtype", RELATIVE)
@pytest.mark.parametrize("shape", [(), (1,), (8, 64), (3, 5, 7), (16_000,)])
def test_small_arrays_take_one_step_to_the_same_bits(shape: tuple[int, ...], dtype: str) -> None:
    x = np.asarray(np.random.default_rng(1).standard_normal(shape)).astype(dtype)
    done = attempt(x)
    assert type(done) is x.dtype.type
    assert done == fk.sum_of_squares(np.repeat(x.ravel(), 2)[::2])


@pytest.mark.parametrize(
    "x",
    [
        [1.0, 2.0],
        None,
        1.0,
        np.zeros((0, 3)),
        np.ones(6)[::2],
        np.ones((3, 4)).T,
        np.ones(4, ">f8"),
        np.ones(4, int),
        np.ones(4, "f2"),
        np.ma.ones(4),
        np.frombuffer(b"\0" * 17, "f8", 2, 1),
        np.ones(1 << 17, np.float32),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
)
def test_one_step_refuses_the_rest(x: object) -> None:
    assert attempt(x) is None


def test_nothing_sums_to_zero() -> None:
    assert fk.sum_of_squares(np.zeros((0, 3))) == 0
    np.testing.assert_array_equal(fk.sum_of_squares(np.zeros((0, 3)), 0), np.zeros(3))
    assert fk.sum_of_squares(np.zeros((0, 3)), 1).shape == (0,)
    assert fk.sum_of_squares([]) == 0


def test_scalars_and_integers() -> None:
    assert fk.sum_of_squares(np.float32(3)) == 9
    assert fk.sum_of_squares(3) == 9.0
    result = fk.sum_of_squares(np.full((4, 4), 200, np.uint8), 0)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [160_000.0] * 4)


def test_out_receives_the_sums() -> None:
    x = np.random.default_rng(0).standard_normal((30, 40)).astype(np.float32)
    for axis, keepdims in ((None, False), (0, False), (1, True), ((), False)):
        expected = fk.sum_of_squares(x, axis, keepdims=keepdims)
        out = np.full(np.shape(expected), np.nan, np.float32)
        assert fk.sum_of_squares(x, axis, keepdims=keepdims, out=out) is out
        np.testing.assert_array_equal(out, expected)
    again = x.copy()
    assert fk.sum_of_squares(again, (), out=again) is again
    np.testing.assert_array_equal(again, x * x)
    mine = x.copy()
    assert fk.sum_of_squares(mine, 0, out=mine[0]) is not None
    np.testing.assert_array_equal(mine[0], fk.sum_of_squares(x, 0))


def test_a_tensor_gives_a_tensor_without_axes() -> None:
    torch = pytest.importorskip("torch")
    x = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    result = fk.sum_of_squares(x)
    assert isinstance(result, torch.Tensor)
    assert result.shape == ()
    assert result.item() == (x * x).sum().item()
    torch.testing.assert_close(fk.sum_of_squares(x.T, 0), (x * x).sum(1))


def test_axes_that_do_not_fit_are_explained() -> None:
    x = np.zeros((2, 3))
    with pytest.raises(fk.ShapeError, match="axis 2 is not an axis of x"):
        fk.sum_of_squares(x, 2)
    with pytest.raises(fk.ShapeError, match="twice"):
        fk.sum_of_squares(x, (0, -2))
    with pytest.raises(fk.DtypeError, match="axis must be one integer"):
        fk.sum_of_squares(x, 1.0)
    with pytest.raises(fk.ShapeError, match=r"result has shape \(3,\)"):
        fk.sum_of_squares(x, 0, out=np.zeros(2))
