"""Every operation against its reference: arrays of random shapes, strides, dtypes and places, and random options."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fused_kernels as fk

from .test_contract import arrays, parts, takes_out

EXAMPLES = 60
LARGEST = 20_000
"""Elements of one input at the most: enough for several threads, and quick in NumPy."""

SLACK = 4
"""The tolerances are for the samples, whose numbers differ; of equal ones, the roundings add up."""

SIDES = st.one_of(st.integers(1, 5), st.sampled_from([1, 8, 15, 16, 33, 130]))
DTYPES = st.sampled_from(["float32", "float64", "float16", "int8", "int64", "uint16", "bool"])
STEPS = st.sampled_from([1, 1, 1, -1, 2, -3])
STEP = 3
"""The largest of them."""

OPTIONS: dict[str, Callable[[np.ndarray], st.SearchStrategy[Any]]] = {
    "axis": lambda x: st.integers(-x.ndim, x.ndim - 1),
    "keepdims": lambda x: st.booleans(),
    "eps": lambda x: st.sampled_from([1e-5, 0.5]),
    "approximate": lambda x: st.sampled_from(["none", "tanh"]),
    "activation": lambda x: st.sampled_from([None, "relu", "gelu", "gelu_tanh", "silu"]),
    "reduction": lambda x: st.sampled_from(["mean", "sum", "none"]),
    "label_smoothing": lambda x: st.floats(0, 1),
    "bins": lambda x: st.integers(1, 70),
}
"""What an operation that has such a parameter is called with."""


class Memory:
    """Bytes in which arrays are laid; what is not theirs is NaN, or -1, and must stay so."""

    def __init__(self, nbytes: int) -> None:
        self._bytes = np.full(nbytes, 0xFF, np.uint8)

    @classmethod
    def for_arrays(cls, *arrays: np.ndarray) -> Memory:
        """Return enough for each of them, however it is laid."""
        return cls(max(math.prod(STEP * side for side in array.shape) * array.itemsize for array in arrays) + 64)

    def place(self, draw: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """Return an array somewhere in here: any order of axes, steps and directions, offset, alignment."""
        order = draw(st.permutations(range(len(shape))))
        steps = [draw(STEPS) for _ in shape]
        lengths = [side * abs(step) for side, step in zip(shape, steps, strict=True)]
        begin = draw(st.sampled_from([0, 0, dtype.itemsize, 3 * dtype.itemsize, 1]))
        within = self._bytes[begin : begin + math.prod(lengths) * dtype.itemsize].view(dtype)
        within = within.reshape([lengths[axis] for axis in order]).transpose(np.argsort(order).tolist())
        return within[(..., *(slice(None, None, step) for step in steps))]

    def assert_untouched_but(self, *arrays: np.ndarray) -> None:
        for array in arrays:
            array.view(f"V{array.itemsize}")[...] = np.void(b"\xff" * array.itemsize)
        assert (self._bytes == 0xFF).all(), "written beside the result"


def layout(draw: Any, array: np.ndarray) -> np.ndarray:
    """Return the same values, but for axes that are repeated without being copied, laid out in some way."""
    foreign = draw(st.integers(0, 9)) == 0
    dtype = array.dtype.newbyteorder() if foreign else array.dtype
    placed = Memory.for_arrays(array).place(draw, array.shape, dtype)
    placed[...] = array
    if array.ndim and array.size and draw(st.integers(0, 5)) == 0:
        axis = draw(st.integers(0, array.ndim - 1))
        placed = np.broadcast_to(np.take(placed, [0], axis), array.shape)
    elif draw(st.integers(0, 9)) == 0:
        placed.flags.writeable = False
    return placed


def shape_for(draw: Any, op: fk.Op) -> tuple[int, ...]:
    """Return a shape for `Op.sample`; rows are not empty, and those of two dimensions may come in stacks."""
    shape = [draw(SIDES) for _ in op.dimensions]
    if len(op.dimensions) == 2:
        shape = [draw(SIDES) for _ in range(draw(st.integers(0, 2)))] + shape
    while math.prod(shape) > LARGEST:
        shape[shape.index(max(shape))] //= 2
    if draw(st.integers(0, 11)) == 0:
        shape[0 if op.family == "rows" else draw(st.integers(0, len(shape) - 1))] = 0
    return tuple(shape)


def call_of(draw: Any, op: fk.Op) -> dict[str, Any]:
    """Return the arguments of a call without ``out``."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    inputs = op.sample(shape_for(draw, op), np.dtype("float64"), rng)
    common = draw(DTYPES)
    for name in arrays(inputs):
        dtype = draw(st.sampled_from([common, common, common, draw(DTYPES)]))
        value = inputs[name] if dtype[0] == "f" else np.rint(inputs[name])
        inputs[name] = (np.abs(value) if dtype[0] in "ub" else value).astype(dtype)
    for name, value in inputs.items():
        if isinstance(value, np.ndarray):
            inputs[name] = layout(draw, value)
    first = next(iter(inputs.values()))
    for name, parameter in inspect.signature(op.function).parameters.items():
        if name in OPTIONS and draw(st.booleans()):
            inputs[name] = draw(OPTIONS[name](first))
        elif parameter.default is None and name in inputs and draw(st.integers(0, 3)) == 0:
            del inputs[name]
    return inputs


def numbers(op: fk.Op, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays that are computed with, of whatever dtype; indices and masks are left out."""
    sampled = arrays(op.sample((2,) * len(op.dimensions), np.dtype("float32"), np.random.default_rng(0)))
    return {name: value for name, value in inputs.items() if name in sampled}


def result_dtype(op: fk.Op, inputs: dict[str, Any]) -> np.dtype[Any]:
    common = np.result_type(*(value.dtype for value in numbers(op, inputs).values()))
    return common.newbyteorder("=") if common.kind == "f" else np.dtype(np.float64)


def truth_of(op: fk.Op, inputs: dict[str, Any]) -> Any:
    """Return the reference in float64 or wider; None if NumPy has no answer, as for the largest of nothing."""
    dtype = np.float64 if result_dtype(op, inputs) == np.float64 else np.float32
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return op.truth(**inputs | {name: value.astype(dtype) for name, value in numbers(op, inputs).items()})
        except ValueError:
            return None


def assert_refused_or_empty(op: fk.Op, inputs: dict[str, Any]) -> None:
    try:
        result = op.function(**inputs)
    except fk.ShapeError as error:
        assert op.name in str(error)
    else:
        assert not any(part.size for part in parts(result))


def assert_close(op: fk.Op, result: Any, truth: Any, dtype: np.dtype[Any]) -> None:
    tolerance = op.tolerance["float64" if dtype == np.float64 else "float32"]
    for mine, its in zip(parts(result), parts(truth), strict=True):
        assert mine.shape == its.shape
        half = mine.dtype == np.float16  # rounded once more
        np.testing.assert_allclose(
            mine.astype(np.longdouble),
            (its.astype(np.float16) if half else its).astype(np.longdouble),
            rtol=2**-10 if half else SLACK * tolerance.rtol,
            atol=SLACK * tolerance.atol + (2**-24 if half else 0),
        )


def an_out(draw: Any, inputs: dict[str, Any], name: str, part: np.ndarray) -> tuple[np.ndarray, Memory]:
    """Return an ``out`` for a result and the memory it lies in; it may be an input, or lie over one."""
    value = inputs[name]
    kind = draw(st.sampled_from(["apart", "the input", "over the input"]))
    if kind == "apart":
        memory = Memory.for_arrays(part)
        return memory.place(draw, part.shape, part.dtype), memory
    memory = Memory.for_arrays(value, part)
    inputs[name] = memory.place(draw, value.shape, value.dtype)
    same = kind == "the input" and (value.shape, value.dtype) == (part.shape, part.dtype)
    out = inputs[name] if same else memory.place(draw, part.shape, part.dtype)
    inputs[name][...] = value
    return out, memory


def check_out(draw: Any, op: fk.Op, inputs: dict[str, Any], result: Any) -> None:
    """Call again with an ``out`` for each result, of which the first may lie over an input."""
    name = draw(st.sampled_from(sorted(key for key, value in inputs.items() if isinstance(value, np.ndarray))))
    first, *others = parts(result)
    places = [an_out(draw, inputs, name, first)]
    for part in others:
        memory = Memory.for_arrays(part)
        places.append((memory.place(draw, part.shape, part.dtype), memory))
    out = tuple(place for place, _ in places) if others else places[0][0]
    assert op.function(**inputs, out=out) is out
    for (mine, memory), its in zip(places, parts(result), strict=True):
        rtol = {"float16": 2**-10, "float32": 1e-6, "float64": 1e-13}[its.dtype.name]
        np.testing.assert_allclose(mine, its, rtol=rtol, atol=rtol)
        memory.assert_untouched_but(mine, *(value for value in (inputs[name],) if value.flags.writeable))


@pytest.mark.parametrize("name", sorted(fk.OPS))
def test_any_arrays_give_what_the_reference_gives(name: str) -> None:
    op = fk.OPS[name]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        inputs = call_of(data.draw, op)
        truth, dtype = truth_of(op, inputs), result_dtype(op, inputs)
        if truth is None:
            assert_refused_or_empty(op, inputs)
            return
        before = {key: np.copy(value) for key, value in inputs.items() if isinstance(value, np.ndarray)}
        result = op.function(**inputs)
        assert_close(op, result, truth, dtype)
        for key, value in before.items():
            np.testing.assert_array_equal(inputs[key], value, err_msg=f"{key} was written to")
        if takes_out(op):
            assert [part.dtype for part in parts(result)] == [dtype] * len(parts(result))
            check_out(data.draw, op, inputs, result)

    check()
