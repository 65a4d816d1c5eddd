"""What every operation of the catalogue promises; a new one is held to it without a line written here."""

from __future__ import annotations

import dataclasses
import inspect
import warnings

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

DTYPES = ("float32", "float64")
SEED = 20


class Mine(np.ndarray):
    """Somebody's own kind of array."""


def sample(op: fk.Op, shape: tuple[int, ...] | None = None, dtype: str = "float32") -> dict:
    return op.sample(shape or small_shape(op), np.dtype(dtype), np.random.default_rng(SEED))


def small_shape(op: fk.Op) -> tuple[int, ...]:
    """Odd sizes, so that no vector and no tile comes out even."""
    return (7, 45, 23)[: len(op.dimensions)]


def arrays(inputs: dict) -> dict[str, np.ndarray]:
    """Arrays of numbers; indices and masks are left out."""
    return {name: value for name, value in inputs.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"}


def changed(inputs: dict, change) -> dict:
    return inputs | {name: change(value) for name, value in arrays(inputs).items()}


def all_changed(inputs: dict, change) -> dict:
    """Change indices and masks as well."""
    return {name: change(value) if isinstance(value, np.ndarray) else value for name, value in inputs.items()}


def parts(result: object) -> tuple[np.ndarray, ...]:
    """Return a result as a tuple of arrays: of one, of a tuple, of the fields of a dataclass."""
    if dataclasses.is_dataclass(result):
        result = tuple(getattr(result, field.name) for field in dataclasses.fields(result))
    return tuple(np.asarray(part) for part in (result if isinstance(result, tuple) else (result,)))


def target_like(result: object, make) -> object:
    """Make what ``out=`` takes for such a result."""
    return tuple(make(part) for part in result) if isinstance(result, tuple) else make(np.asarray(result))


def takes_out(op: fk.Op) -> bool:
    return "out" in inspect.signature(op.function).parameters


def assert_same(result: object, expected: object, message: str = "", **tolerances: float) -> None:
    for mine, its in zip(parts(result), parts(expected), strict=True):
        np.testing.assert_allclose(mine, its, err_msg=message, **{"rtol": 0, "atol": 0} | tolerances)


def assert_dtype(result: object, dtype: str) -> None:
    if not dataclasses.is_dataclass(result):
        assert [part.dtype for part in parts(result)] == [np.dtype(dtype)] * len(parts(result))


def assert_right(op: fk.Op, inputs: dict, result: object, dtype: str) -> None:
    """Compare with the float64 truth of the inputs as they are, to the operation's tolerance for ``dtype``."""
    tolerance = op.tolerance[dtype]
    for mine, truth in zip(parts(result), parts(op.truth(**inputs)), strict=True):
        assert mine.shape == truth.shape
        wide = mine.astype(np.longdouble)
        np.testing.assert_allclose(wide, truth, rtol=tolerance.rtol, atol=tolerance.atol, err_msg=op.name)


@pytest.fixture(params=sorted(fk.OPS))
def op(request: pytest.FixtureRequest) -> fk.Op:
    return fk.OPS[request.param]


@pytest.fixture(params=[name for name in sorted(fk.OPS) if takes_out(fk.OPS[name])])
def writing(request: pytest.FixtureRequest) -> fk.Op:
    """An operation that takes ``out=``."""
    return fk.OPS[request.param]


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_right_at_each_of_its_shapes(op: fk.Op, dtype: str) -> None:
    shapes = [small_shape(op), *(shape for shape in op.shapes if np.prod(shape) < 2_000_000)]
    for shape in shapes:
        inputs = sample(op, shape, dtype)
        result = op.function(**inputs)
        assert_dtype(result, dtype)
        assert_right(op, inputs, result, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_receives_the_result_and_is_returned(writing: fk.Op, dtype: str) -> None:
    inputs = sample(writing, dtype=dtype)
    expected = writing.function(**inputs)
    out = target_like(expected, lambda part: np.full_like(part, np.nan))
    assert writing.function(**inputs, out=out) is out
    assert_same(out, expected)


OUTS = {
    "strided": lambda part: np.zeros((*part.shape, 2), "f4")[..., 0],
    "other byte order": lambda part: np.zeros(part.shape, ">f4"),
    "wider": lambda part: np.zeros(part.shape, "f8"),
    "a subclass": lambda part: np.zeros(part.shape, "f4").view(Mine),
    "rows that lie apart": lambda part: np.zeros((*part.shape[:-1], part.size + 5), "f4")[..., : part.shape[-1]],
}


@pytest.mark.parametrize("make", OUTS)
def test_any_out_that_can_hold_the_result_will_do(writing: fk.Op, make: str) -> None:
    inputs = sample(writing)
    expected = writing.function(**inputs)
    if make == "rows that lie apart" and not np.ndim(parts(expected)[0]):
        pytest.skip("the result has no rows")
    out = target_like(expected, OUTS[make])
    assert writing.function(**inputs, out=out) is out
    assert_same(out, expected)


def test_an_out_that_does_not_fit_is_refused_and_left_alone(writing: fk.Op) -> None:
    inputs = sample(writing)
    expected = writing.function(**inputs)
    for make, error in (
        (lambda part: np.zeros((*part.shape, 2), "f4"), fk.ShapeError),
        (lambda part: np.zeros(part.shape, "i4"), fk.DtypeError),
        (lambda part: [0.0], fk.DtypeError),
    ):
        out = target_like(expected, make)
        with pytest.raises(error, match=writing.name):
            writing.function(**inputs, out=out)
        assert not any(np.any(part) for part in parts(out))
    out = target_like(expected, lambda part: np.zeros(part.shape, "f4"))
    for part in out if isinstance(out, tuple) else (out,):
        part.flags.writeable = False
    with pytest.raises(fk.DtypeError, match="read-only"):
        writing.function(**inputs, out=out)
    several = (np.zeros(1, "f4"),) * (len(parts(expected)) + 1)
    with pytest.raises(fk.DtypeError, match="out must be"):
        writing.function(**inputs, out=several)


def test_each_input_may_be_the_out_if_its_shape_fits(writing: fk.Op) -> None:
    for name in arrays(sample(writing)):
        inputs = sample(writing)
        expected = writing.function(**inputs)
        for place, part in enumerate(parts(expected)):
            inputs = sample(writing)
            if inputs[name].shape == part.shape:
                out = target_like(expected, np.empty_like)
                out = (*out[:place], inputs[name], *out[place + 1 :]) if isinstance(out, tuple) else inputs[name]
                writing.function(**inputs, out=out)
                assert_same(out, expected, f"{name} is the out", rtol=1e-6, atol=1e-7)


def test_an_out_that_overlaps_an_input_in_part_gives_the_right_result(writing: fk.Op) -> None:
    for name, value in arrays(sample(writing)).items():
        inputs = sample(writing)
        expected = writing.function(**inputs)
        if value.shape != parts(expected)[0].shape:
            continue
        memory = np.zeros(value.size + 3, value.dtype)
        inputs[name] = memory[3:].reshape(value.shape)
        inputs[name][...] = value
        out = memory[:-3].reshape(value.shape)
        if isinstance(expected, tuple):
            out = (out, *(np.empty_like(part) for part in expected[1:]))
        writing.function(**inputs, out=out)
        assert_same(out, expected, rtol=1e-6, atol=1e-7)


def test_inputs_are_never_written_to(op: fk.Op) -> None:
    inputs = sample(op)
    before = all_changed(inputs, np.copy)
    op.function(**inputs)
    for name, value in inputs.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


LAYOUTS = {
    "strided columns": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "strided rows": lambda a: np.repeat(a, 3, axis=0)[::3],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "Fortran order": np.asfortranarray,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "a subclass": lambda a: a.view(Mine),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout_gives_the_same_result(op: fk.Op, layout: str, dtype: str) -> None:
    inputs = sample(op, dtype=dtype)
    expected = op.function(**inputs)
    result = op.function(**all_changed(inputs, LAYOUTS[layout]))
    assert type(result) is type(expected)
    assert_dtype(result, dtype)
    rtol = 1e-6 if dtype == "float32" else 1e-13
    assert_same(result, expected, rtol=rtol, atol=1e-12 if dtype == "float64" else 1e-7)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool"])
def test_integers_are_computed_in_float64(op: fk.Op, dtype: str) -> None:
    floats = sample(op, dtype="float64")
    result = op.function(**changed(floats, lambda a: np.abs(3 * a).astype(dtype)))
    assert_dtype(result, "float64")
    assert_right(op, changed(floats, lambda a: np.abs(3 * a).astype(dtype).astype("float64")), result, "float64")


def test_float16_is_computed_in_float32_and_rounded_once(op: fk.Op) -> None:
    inputs = changed(sample(op), lambda a: a.astype(np.float16))
    result = op.function(**inputs)
    assert_dtype(result, "float16")
    widened = op.function(**changed(inputs, lambda a: a.astype("f4")))
    if not dataclasses.is_dataclass(result):
        widened = tuple(part.astype(np.float16) for part in parts(widened))
    assert_same(result, widened)


def test_long_double_falls_back_to_numpy_and_says_so(op: fk.Op) -> None:
    inputs = changed(sample(op, dtype="float64"), lambda a: a.astype(np.longdouble))
    assert fk.explain(op.name, **inputs).implementation == "numpy"
    assert_right(op, inputs, op.function(**inputs), "float64")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_spread_as_in_numpy(op: fk.Op, value: float) -> None:
    for name in arrays(sample(op)):
        for place in (0, -1):
            inputs = sample(op)
            inputs[name].reshape(-1)[place] = value
            with np.errstate(all="ignore"):
                expected = op.reference(**inputs)
            result = op.function(**inputs)
            for mine, its in zip(parts(result), parts(expected), strict=True):
                np.testing.assert_array_equal(np.isnan(mine), np.isnan(its), err_msg=f"{name}[{place}]")
                np.testing.assert_array_equal(np.isinf(mine), np.isinf(its), err_msg=f"{name}[{place}]")


def test_empty_input_gives_an_empty_result(op: fk.Op) -> None:
    inputs = op.sample((0, *small_shape(op)[1:]), np.dtype("f4"), np.random.default_rng(SEED))
    result = op.function(**inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of means of nothing
        expected = op.reference(**inputs)
    assert_same(result, expected)


@pytest.mark.parametrize(
    "bad",
    [
        np.array([["a", "b"]]),
        np.array([[1j, 2.0]]),
        np.array([[object()]]),
        np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
        "text",
        {"a": 1},
    ],
    ids=["text array", "complex", "objects", "masked", "a string", "a dict"],
)
def test_what_is_no_array_of_real_numbers_is_refused_by_name(op: fk.Op, bad: object) -> None:
    for name in arrays(sample(op)):
        with pytest.raises(fk.DtypeError, match=rf"{op.name}: {name}"):
            op.function(**{**sample(op), name: bad})


def test_torch_tensors_share_their_memory(op: fk.Op) -> None:
    torch = pytest.importorskip("torch")
    inputs = sample(op)
    expected = op.function(**inputs)
    tensors = all_changed(inputs, torch.from_numpy)
    result = op.function(**tensors)
    assert_same(result, expected)
    if not dataclasses.is_dataclass(result):
        assert all(isinstance(part, torch.Tensor) for part in (result if isinstance(result, tuple) else (result,)))
    if takes_out(op):
        out = target_like(expected, lambda part: torch.zeros(part.shape))
        assert op.function(**tensors, out=out) is out
        assert_same(out, expected)
    with tracing() as found:
        op.function(**tensors)
    assert not any("copied" in note for note in found.notes)


def test_a_tensor_that_requires_grad_is_refused(op: fk.Op) -> None:
    torch = pytest.importorskip("torch")
    tensors = changed(sample(op), lambda a: torch.from_numpy(a).requires_grad_())
    with pytest.raises(fk.DtypeError, match="detach"):
        op.function(**tensors)


def test_explain_says_what_a_call_then_does(op: fk.Op) -> None:
    for shape in (small_shape(op), op.shapes[0]):
        inputs = sample(op, shape)
        told = fk.explain(op.name, **inputs)
        with tracing() as found:
            op.function(**inputs)
        assert (told.implementation, told.form, told.notes) == (found.implementation, found.form, tuple(found.notes))


def test_the_torch_peer_computes_the_same(op: fk.Op) -> None:
    torch = pytest.importorskip("torch")
    inputs = sample(op)
    with torch.no_grad():
        result = op.peers["torch"]()(**all_changed(inputs, torch.from_numpy))
    assert_same(result, op.function(**inputs), rtol=2e-5, atol=2e-5)
