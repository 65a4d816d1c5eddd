"""Elements farther apart than 32 bits can count: rows of a few numbers in gigabytes that nobody touches."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.cuda import elements

from .cases import ROWS, assert_right, kind, on, sample
from .emulation import Card

STEP = (1 << 31) + 8
"""Elements from one row to the next: the third begins beyond 2**32."""
NORESERVE = 0x4000


class Far(Card):
    """Three rows of an array that lie gigabytes apart."""

    def __init__(self, values: np.ndarray) -> None:
        size = (2 * STEP + values.shape[-1]) * values.itemsize
        # Address space alone: pages that are not written to take no memory.
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
        whole = np.frombuffer(self._memory, values.dtype, count=size // values.itemsize)
        strides = (STEP * values.itemsize, values.itemsize)
        self.data = np.lib.stride_tricks.as_strided(whole, values.shape, strides, writeable=True)
        self.data[...] = values

    def get(self) -> np.ndarray:
        return self.data.copy()


@pytest.mark.parametrize("n", (64, 3000, 18_000))
@pytest.mark.parametrize("name", ROWS)
def test_rows(card, on_card, name: str, n: int) -> None:
    inputs = sample(name, (3, n), "float16")
    values = on(on_card, inputs) | {"x": Far(inputs["x"])}
    assert_right(name, inputs, fk.OPS[name].function(**values), "float16")
    out = Far(np.zeros((3, n), np.float16))
    if name != "add_layer_norm":
        assert_right(name, inputs, fk.OPS[name].function(**values, out=out), "float16")


def test_sums_losses_and_statistics(card, on_card) -> None:
    x = sample("sum_of_squares", (3, 2000), "float16", scale=0.3)["x"]
    for axis in (None, 0, 1):
        found = fk.sum_of_squares(Far(x), axis=axis)
        assert_right("sum_of_squares", {"x": x}, found, "float16", axis=axis)
    inputs = sample("cross_entropy", (3, 500), "float16")
    found = fk.cross_entropy(Far(inputs["logits"]), on_card(inputs["target"]))
    assert_right("cross_entropy", inputs, found, "float16")
    mine, its = fk.tensor_stats(Far(x)), fk.tensor_stats(x)
    np.testing.assert_array_equal(mine.counts, its.counts)
    assert (mine.min, mine.max) == (its.min, its.max)


@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_formulas(card, on_card, monkeypatch, dtype: str) -> None:
    x = np.arange(3 * 100).reshape(3, 100).astype(kind(dtype))
    np.testing.assert_array_equal(fk.scale(Far(x), 2).get(), x * 2)
    out = Far(np.zeros_like(x))
    fk.scale(on_card(x), 2, out=out)
    np.testing.assert_array_equal(out.get(), x * 2)
    # So many elements that they are counted in 64 bits nobody has here; the kernel for them is another.
    monkeypatch.setattr(elements, "_SMALL", 1)
    for view in (lambda a: a, lambda a: a[:, ::3], lambda a: a.T):
        np.testing.assert_array_equal(fk.relu(view(on_card(x)[:])).get(), np.maximum(view(x), 0))
        assert "i64 left" in card.started[-1].kernel.source
