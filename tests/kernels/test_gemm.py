"""The matrix product: every remainder of every tile, every form, on wide and on narrow registers."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from fused_kernels import trace
from fused_kernels.cpu import gemm
from fused_kernels.cpu.gemm import PLAIN, RELU, cut
from fused_kernels.cpu.gemm.launch import SMALL_BYTES, Settings
from fused_kernels.cpu.gemm.tile import tiles

TOLERANCE = {"float32": 2e-5, "float64": 5e-14}
DTYPES = ("float32", "float64")


def matrices(m, k, n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((m, k)), rng.standard_normal((k, n)) / np.sqrt(max(k, 1))
    return x.astype(dtype), weight.astype(dtype), rng.standard_normal(n).astype(dtype)


def check(x, weight, bias, activation=RELU):
    out = np.full((x.shape[0], weight.shape[1]), np.nan, x.dtype)
    with trace.tracing() as found:
        gemm.product(x, weight, out, bias, activation)
    truth = x.astype(np.longdouble) @ weight.astype(np.longdouble) + (0 if bias is None else bias)
    if activation is RELU:
        truth = np.maximum(truth, 0)
    np.testing.assert_allclose(
        out, truth.astype(np.float64), rtol=TOLERANCE[x.dtype.name], atol=TOLERANCE[x.dtype.name]
    )
    return found.form


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_remainder_of_a_tile(dtype):
    for m in range(1, 31):
        for n in range(1, 71):
            check(*matrices(m, 1 + (7 * m + n) % 20, n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depths", [-1, 0, 1, "twice and one"])
def test_sums_over_several_blocks(dtype, depths):
    depth = tiles(dtype)[0].depth
    k = 2 * depth + 1 if depths == "twice and one" else depth + depths
    for m, n in ((3, 5), (17, 45), (4, 400), (2, 333)):
        check(*matrices(m, k, n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((8, 64, 64), "direct"),
        ((90, 40, 50), "direct"),
        ((50, 40, 50), "direct"),
        ((3, 50, 500), "flat"),
        ((1, 300, 500), "blas"),
        ((300, 400, 1), "blas"),
        ((300, 400, 3), "direct"),
        ((200, 150, 130), "packed-parallel"),
        ((1201, 60, 70), "direct-parallel"),
        ((70, 300, 300), "packed-parallel"),
        ((3, 700, 900), "flat-parallel"),
        ((50, 300, 400), "direct-parallel"),
    ],
)
def test_each_form_runs_and_is_right(dtype, shape, form, use_threads):
    use_threads(2)
    for bias in (True, False):
        x, weight, shift = matrices(*shape, dtype)
        assert check(x, weight, shift if bias else None) == form


@pytest.mark.parametrize("shape", [(8, 64, 64), (3, 50, 500), (150, 200, 250), (1, 300, 500)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_strides_without_a_copy(dtype, shape):
    m, k, n = shape
    x, weight, bias = matrices(2 * m, 2 * k, 2 * n, dtype)
    bias.flags.writeable = False
    lefts = (x[::2, ::2], x[:m, :k], np.asfortranarray(x)[m:, k:], x[::-2, ::-2], np.broadcast_to(x[0, :k], (m, k)))
    rights = (weight[::2, ::2], weight[k:, n:], np.asfortranarray(weight)[:k, :n], weight[::-2, ::-2], weight[:k, :n])
    for left in lefts:
        for right in rights:
            locked = right.view()
            locked.flags.writeable = False
            check(left, locked, bias[::2])


def test_rows_a_page_apart():
    check(*matrices(70, 1024, 70, "float32"))


def test_the_number_of_threads_does_not_change_a_bit(use_threads):
    x, weight, bias = matrices(203, 300, 517, "float32")
    results = []
    for count in (1, 2, 3, 8):
        use_threads(count)
        out = np.empty((203, 517), np.float32)
        gemm.product(x, weight, out, bias, PLAIN)
        results.append(out)
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_units_cover_the_result_and_keep_the_threads_busy():
    for m, k, n in ((2, 9, 900), (5000, 64, 64), (64, 64, 5000), (700, 700, 700), (33, 4096, 33)):
        for count in (1, 2, 7, 64):
            found = cut.cut_of(m, k, n, 4, count, False)
            tile = tiles("float32")[found.flat]
            settings = Settings(*found.settings.tolist())
            assert settings.block % tile.width == 0
            assert settings.depth <= tile.depth
            units = -(-m // tile.height) * -(-n // settings.block)
            assert found.threads == min(count, units)
            assert count == 1 or units >= min(4 * count, -(-m // tile.height) * -(-n // tile.width)) / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_slabs_of_a_large_right_side(dtype, monkeypatch):
    cut.cut_of.cache_clear()
    monkeypatch.setattr(cut, "_SLAB_BYTES", 1 << 17)
    monkeypatch.setattr(cut, "_BLOCK_BYTES", 1 << 16)
    x, weight, bias = matrices(150, 1000, 300, dtype)
    settings = Settings(*cut.cut_of(150, 1000, 300, x.itemsize, 2, True).settings.tolist())
    assert settings.slab_columns < 300
    assert settings.slab_terms < 1000
    check(x, weight, bias)
    cut.cut_of.cache_clear()


def test_a_small_product_is_one_call_and_what_is_not_small_or_not_right_is_left_alone():
    x, weight, bias = matrices(8, 64, 64, "float32")
    out = np.zeros((8, 64), "float32")
    gemm.product(x, weight, out, bias, RELU)
    assert gemm.attempt(x, weight, out, bias, RELU.compiled) is out
    assert gemm.attempt(x, weight.T, out, None, RELU.compiled) is out
    locked = out.copy()
    locked.flags.writeable = False
    wide = np.zeros((8, 128), "float32")
    for refused in (
        (x[:, :63], weight, out, bias),
        (x, weight, out[:7], bias),
        (x, weight, wide[:, ::2], bias),
        (x, weight, locked, bias),
        (x, weight, out, bias[:63]),
        (x, weight, out, np.zeros(128, "float32")[::2]),
        (x, weight, out, bias[None]),
        (x[0], weight, out, bias),
        (x, weight, out.astype("float64"), bias),
        (x.astype(">f4"), weight, out, bias),
        (x.astype("int32"), weight, out, bias),
        (x, weight, x, bias),
        (x, weight, weight[:8], bias),
        (x, weight, out, out[0]),
        (np.zeros((8, 0), "float32"), weight[:0], out, bias),
        (np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view("float32").reshape(8, 64), weight, out, bias),
    ):
        before = out.copy()
        assert gemm.attempt(*refused, RELU.compiled) is None
        np.testing.assert_array_equal(out, before)


LAYOUTS = (lambda a: a, np.asfortranarray, lambda a: a[::-1], lambda a: np.repeat(a, 2, axis=1)[:, ::2])


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(data=st.data())
def test_a_small_product_is_cut_as_the_long_way_cuts_it(data):
    sizes = st.one_of(st.integers(1, 20), st.integers(1, 130), st.sampled_from([383, 384, 385, 700]))
    m, k, n = (data.draw(sizes, label=label) for label in "mkn")
    x, weight, bias = matrices(m, k, n, data.draw(st.sampled_from(DTYPES)))
    x, weight = data.draw(st.sampled_from(LAYOUTS))(x), data.draw(st.sampled_from(LAYOUTS))(weight)
    out, other = np.empty((2, m, n), x.dtype)
    with trace.tracing() as found:
        gemm.product(x, weight, out, bias)
    depth = tiles(x.dtype.name)[0].depth
    row_major = weight.strides[1] == x.itemsize
    small = found.form in ("direct", "packed") and k <= depth
    small = small and cut.cut_of(m, k, n, x.itemsize, 1, row_major).packed_bytes <= SMALL_BYTES
    assert (gemm.attempt(x, weight, other, bias, PLAIN.compiled) is other) == small
    if small:
        np.testing.assert_array_equal(other, out)


NARROW = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    import test_gemm as t
    from fused_kernels.cpu.gemm.tile import tiles
    assert tiles("float32")[0].lanes == int(sys.argv[2]), tiles("float32")
    for dtype in t.DTYPES:
        for m in range(1, 16):
            for n in range(1, 40, 3):
                t.check(*t.matrices(m, 1 + m, n, dtype))
        t.check(*t.matrices(300, 300, 100, dtype))
        t.check(*t.matrices(3, 300, 500, dtype))
        x, weight, bias = t.matrices(40, 50, 60, dtype)
        t.check(x.T.copy().T, weight.T.copy().T, bias)
    """
)


@pytest.mark.skipif("x86" not in os.uname().machine, reason="the narrower registers are those of x86-64")
@pytest.mark.parametrize(
    ("name", "features", "lanes"),
    [
        ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt", 8),
        pytest.param("generic", "", 4, marks=pytest.mark.slow),  # what nobody has any more
    ],
)
def test_narrower_registers(name, features, lanes):
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    folder = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", NARROW, folder, str(lanes)], env=environment, check=True)
