"""What the persistent kernel computes, through the runtime on an emulated GPU, against float64 truths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import workbench as wb
from fused_kernels.cuda import arrays
from workbench.errors import InputError
from workbench.ring.cuda.layout import Command, Operation, checksum
from workbench.ring.cuda.plans import CHUNK, PARTS, PLANS, softmax
from workbench.ring.cuda.ring import Ring

from ...kernels.cuda.conftest import Card, Emulated  # noqa: TID252
from ...kernels.cuda.emulated_driver import Machine  # noqa: TID252

DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
ROUNDING = {"float32": 2e-6, "float64": 1e-14, "float16": 2.0**-10, "bfloat16": 2.0**-7}
READ_ONLY = np.ones(3)
READ_ONLY.flags.writeable = False
SHAPES = [(1,), (33,), (3, 5, 7), (37, 101), (1, 1), (130, 17), (1, 66_001)]


@pytest.fixture
def cuda(gpu: Machine) -> Iterator[wb.Runtime]:
    with wb.Runtime("cuda") as made:
        yield made


@pytest.fixture
def on_card(gpu: Machine) -> Iterator[type[Card]]:
    """Arrays of a library whose memory is the emulated card's."""
    library = Emulated(gpu.folder)
    arrays.libraries.append(library)
    yield Card
    arrays.libraries.remove(library)


def truth_of_softmax(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(-1, keepdims=True))
        result: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


TRUTHS: dict[str, Callable[..., Any]] = {
    "scale": lambda x, y: x * 1.7,
    "add": lambda x, y: x + y,
    "dot": np.vdot,
    "softmax": lambda x, y: truth_of_softmax(x),
}


def payload(name: str, x: Any, y: Any) -> Any:
    return {"scale": (x, 1.7), "add": (x, y), "dot": (x, y), "softmax": x}[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRUTHS)
def test_each_operation_is_right_and_says_so(cuda: wb.Runtime, on_card: type[Card], name: str, dtype: str) -> None:
    """From NumPy's arrays and from such on the card; the checksum is that of the result."""
    kernel, draw = cuda.launch(name), np.random.default_rng(0)
    for shape in SHAPES if dtype == "float32" else SHAPES[:-1]:
        x, y = (draw.standard_normal(shape).astype(DTYPES[dtype]) for _ in range(2))
        wide = TRUTHS[name](x.astype(np.float64), y.astype(np.float64))
        limit = ROUNDING[dtype] * (math.sqrt(x.size) * 4 if name == "dot" else 1)
        for given in (payload(name, x, y), payload(name, on_card(x), on_card(y, 1))):
            found = kernel.call(given)
            values = found.get() if isinstance(found, Card) else found
            assert np.shape(values) == np.shape(wide)
            assert np.allclose(np.asarray(values, np.float64), wide, rtol=2 * ROUNDING[dtype], atol=limit), shape
            last = kernel._kernel.body.last  # type: ignore[attr-defined]
            assert last.checksum == checksum(np.float64(last.value) if name == "dot" else values)


def test_what_is_no_number_goes_through(cuda: wb.Runtime) -> None:
    kernel = cuda.launch("softmax")
    inf, nan = np.inf, np.nan
    for columns in (6, 70_000):
        x = np.zeros((6, columns), np.float32)
        x[0, :2], x[1], x[2, 3], x[3, 4], x[4, :3] = (-inf, 1), -inf, inf, nan, -inf
        x[4, -20_000:] = -inf if columns > 6 else 0
        assert np.allclose(kernel.call(x), truth_of_softmax(x.astype(np.float64)), atol=1e-6, equal_nan=True)
    scale = cuda.launch("scale")
    assert np.array_equal(scale.call((np.array([nan, inf, 0.0]), -1.0)), [nan, -inf, -0.0], equal_nan=True)
    assert scale.call((np.zeros((0, 3)), 2.0)).shape == (0, 3)
    assert cuda.launch("dot").call((np.zeros(0), np.zeros(0))) == 0


def test_other_byte_orders_are_turned(cuda: wb.Runtime) -> None:
    x = np.arange(1.0, 7.0, dtype=">f4").reshape(2, 3)
    out = np.empty((2, 3), ">f4")
    assert np.array_equal(cuda.launch("scale").call({"x": x, "factor": 2.0, "out": out}), 2 * x)
    assert np.array_equal(out, 2 * x)
    add = cuda.launch("add")
    assert np.array_equal(add.call((x, x.astype("<f4"))), 2 * x)
    assert np.array_equal(add.call((np.float32(3), np.array(4, np.float32))), 7)
    assert np.array_equal(cuda.launch("dot").call((np.full(9, 200, np.float16),) * 2), np.inf)


def test_out_and_layouts(cuda: wb.Runtime, on_card: type[Card]) -> None:
    x = np.arange(24.0).reshape(4, 6)
    scale, out = cuda.launch("scale"), np.empty((6, 4))
    assert scale.call({"x": x.T, "factor": 3, "out": out}) is out
    assert np.array_equal(out, 3 * x.T)
    far = on_card(x)
    into = on_card(np.zeros((6, 4)))
    assert scale.call({"x": far.T, "factor": 3.0, "out": into}) is into
    assert np.array_equal(into.get(), 3 * x.T)
    assert scale.call({"x": far, "factor": 2.0, "out": far}) is far
    assert np.array_equal(far.get(), 2 * x), "in its own place"
    flat = on_card(np.arange(10.0))
    with pytest.raises(InputError, match="out lies over a part"):
        scale.call({"x": flat[:8], "factor": 2.0, "out": flat[1:9]})


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("scale", (np.ones(3, int), 2.0), "one of the dtypes float32.*got int64.*astype"),
        ("scale", (np.ones(3), np.ones(3)), "takes one number as factor, got ndarray"),
        ("add", (np.ones(3), np.ones(4)), "two arrays of one shape, got 3 and 4"),
        ("add", (np.ones(3), np.ones(3, np.float32)), "got float64 and float32"),
        ("softmax", {"x": np.ones((3, 4)), "axis": 0}, 'last axis, got axis=0 of 3 x 4.*backend="cpu"'),
        ("softmax", np.float64(3), "last axis"),
        ("scale", {"x": np.ones(3), "factor": 2, "out": np.ones(4)}, "out must be float64 of 3 in C order"),
        ("scale", ("text", 2.0), "must be an array of numbers"),
        ("scale", (np.ones(3), "abc"), "one number as factor, got str"),
        ("scale", (np.ones(3), 10**400), "beyond what a float64"),
        ("scale", {"x": np.ones(3), "factor": 2, "out": READ_ONLY}, "out is read-only"),
        ("add", (np.ma.masked_array(np.ones(3), [0, 1, 0]), np.ones(3)), "x is a masked array"),
        ("dot", ([[1, 2], [3]], [1.0]), "x must be an array of numbers"),
        ("similarity_matrix", np.ma.masked_array(np.ones((2, 3)), np.eye(2, 3)), "masked array"),
        ("similarity_matrix", [[1.0], [2.0, 3.0]], "all of one width"),
        ("similarity_matrix", "words", "or 'clear'"),
    ],
)
def test_what_does_not_fit_is_told_and_the_kernel_lives_on(
    cuda: wb.Runtime, name: str, given: Any, message: str
) -> None:
    kernel = cuda.launch(name)
    with pytest.raises(InputError, match=message):
        kernel.call(given)
    assert kernel.status.restarts == 0
    assert kernel.call(payload(name, np.ones(3), np.ones(3)) if name in TRUTHS else np.ones(3)) is not None


def test_rows_are_kept_on_the_card(cuda: wb.Runtime, on_card: type[Card]) -> None:
    kernel, draw = cuda.launch("similarity_matrix"), np.random.default_rng(0)
    rows = draw.standard_normal((75, 16)).astype(np.float32)
    end = 0
    for count in (1, 3, 40, 1, 30):
        new = rows[end : end + count]
        end += count
        found = kernel.call(on_card(new) if count == 3 else new[0] if count == 1 else new)
        values = found.get() if isinstance(found, Card) else found
        assert np.allclose(values, wb.ring.similarity_matrix(new, rows[:end]), atol=1e-5), "all that came before"
    with pytest.raises(InputError, match="rows of float32 and got float64"):
        kernel.call(np.ones((2, 16)))
    kernel.deactivate()
    kernel.activate()
    assert kernel.call(rows[:2]).shape == (2, 77), "a rest does not forget"
    with pytest.raises(InputError, match="rows of 16 numbers and got 17"):
        kernel.call(np.ones((2, 17), np.float32))
    assert kernel.call("clear") == 77
    assert kernel.call(np.eye(3)).tolist() == np.eye(3).tolist()
    other = cuda.launch("other", handler="similarity_matrix")
    assert other.call(np.eye(2)).shape == (2, 2), "each has its own"
    kernel.terminate()
    again = cuda.launch("similarity_matrix")
    assert again.call(np.eye(2)).shape == (2, 2), "in the ring of the one before"


def test_a_key_pressed_while_the_gpu_works(cuda: wb.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is still answered; its rows are counted, and its memory is not used again before that."""
    similar, scale = cuda.launch("similarity_matrix"), cuda.launch("scale")
    similar.call(np.eye(3))
    scale.call((np.ones(3), 1.0))
    take, presses = Ring.take, [True]

    def interrupted(ring: Ring, seconds: float | None = None) -> Any:
        if presses and presses.pop():
            raise KeyboardInterrupt
        return take(ring, seconds)

    monkeypatch.setattr(Ring, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        similar.call(np.eye(3))
    assert similar.call(np.eye(3)).shape == (3, 9)
    presses.append(True)
    with pytest.raises(KeyboardInterrupt):
        similar.call("clear")
    assert similar.call(np.eye(3)).shape == (3, 3)
    presses.append(True)
    with pytest.raises(KeyboardInterrupt):
        scale.call((np.ones(3), 2.0))
    assert scale.call((np.ones(3), 3.0)).tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (1, 10**9), (10**7, 100), (255, 70_000), (3, 65_537), (10**6, 3)]
)
def test_work_is_shared_out_whole(rows: int, columns: int) -> None:
    """No part is left out or done twice, and there are no more parts than have room."""
    command = Command(0, Operation.SCALE, rows=rows, columns=columns)
    plain = PLANS[Operation.SCALE](command)
    assert (plain.chunks - 1) * plain.size < rows * columns <= plain.chunks * plain.size
    assert plain.size % 64 == 0
    assert 1 <= plain.chunks <= PARTS
    shared = softmax(command)
    assert 1 <= shared.chunks <= PARTS
    if shared.first:
        pieces = shared.chunks // rows
        assert pieces * rows == shared.chunks == shared.first
        assert (pieces - 1) * shared.size < columns <= pieces * shared.size
        assert columns > CHUNK
    else:
        assert (shared.chunks - 1) * shared.size < rows <= shared.chunks * shared.size


def test_a_checksum_tells_what_changed() -> None:
    values = np.random.default_rng(0).standard_normal(1000, np.float32)
    right = checksum(values)
    for place in (0, 500, 999):
        other = values.copy()
        other.view(np.uint32)[place] ^= 1
        assert checksum(other) != right
    swapped = values.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert checksum(swapped) != right
    assert checksum(np.array([1.0])) == int(np.array([1.0]).view(np.uint64)[0])
