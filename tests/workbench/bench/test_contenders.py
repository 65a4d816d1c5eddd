"""The contenders beyond the usual four: each computes the same, and leaves the user's own settings alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import workbench as wb
from fused_kernels import OPS
from workbench.bench import contenders
from workbench.bench.environment import environment, installed
from workbench.bench.racing.check import leaves
from workbench.errors import InputError, RaceError

USUAL = ["numba", "numpy", "torch", "onnxruntime"]
BY_PEER = {"jax": "jax", "numexpr": "numexpr", "polyglot": "polyglot-bridge"}
PAIRS = [(op, peer) for op in OPS for peer in BY_PEER if peer in OPS[op].peers]
x = np.linspace(-2, 2, 600, dtype=np.float32).reshape(20, 30)


def small(op: str) -> tuple[int, ...]:
    return tuple(min(size, 24) for size in OPS[op].shapes[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("op", "peer"), PAIRS)
def test_a_peer_computes_the_same(op: str, peer: str, dtype: str) -> None:
    name = BY_PEER[peer]
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    try:
        race = wb.compare(op, shape=small(op), dtype=dtype, contenders=[name], rounds=1)
    except RaceError as error:
        assert "polyglot-bridge takes float64 only" in str(error)
    else:
        assert race[name].right, race.verdict


def test_torch_compile_computes_the_same_in_out_and_not() -> None:
    if lacking := contenders.absent(OPS["softmax"]).get("torch.compile"):
        pytest.skip(lacking)
    for out in (True, False):
        race = wb.compare("softmax", shape=(7, 45), contenders=["torch.compile"], rounds=1, out=out)
        assert race["torch.compile"].right, race.verdict
        assert race.conditions["out"] == ["torch.compile"] * out


def test_torch_compile_never_falls_back_to_eager_after_many_shapes() -> None:
    if lacking := contenders.absent(OPS["scale"]).get("torch.compile"):
        pytest.skip(lacking)
    import torch._dynamo
    from torch._dynamo.utils import counters

    before = counters["stats"]["unique_graphs"]
    with torch._dynamo.config.patch(recompile_limit=1):
        for size in (3, 5):
            wb.compare("scale", shape=(size,), contenders=["torch.compile"], rounds=1, out=False)
    assert counters["stats"]["unique_graphs"] == before + 2


def test_jax_has_64_bits_in_its_own_race_only() -> None:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    race = wb.compare("softmax", shape=(7, 45), dtype="float64", contenders=["jax"], rounds=1)
    assert race["jax"].error < 1e-14
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(2).dtype == ("float64" if before else "float32")


def test_without_names_the_usual_ones_race() -> None:
    assert contenders.usual(OPS["softmax"]) == USUAL
    assert set(contenders.absent(OPS["softmax"], None)) == {"cupy"}
    assert set(USUAL) < {contender.name for contender in contenders.choose(OPS["softmax"], "all")}


def test_torch_compile_needs_a_compiler_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "C++ compiler" in contenders.absent(OPS["softmax"])["torch.compile"]
    with pytest.raises(InputError, match=r"C\+\+ compiler"):
        wb.compare("softmax", contenders=["torch.compile"])


def test_what_is_not_installed_comes_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "installed", lambda name: "" if name == "jax" else "1.0")
    assert contenders.absent(OPS["softmax"])["jax"] == "not installed; pip install jax"
    assert "jax" not in contenders.available(OPS["softmax"])


def test_a_tuple_of_results_is_checked_and_written_to_as_a_whole() -> None:
    def both(x: Any, out: Any = None) -> Any:
        low, high = out or (np.empty_like(x), np.empty_like(x))
        return np.minimum(x, 0, out=low), np.maximum(x, 0, out=high)

    def one_only(x: Any, out: Any = None) -> Any:
        return both(x) if out is None else (np.minimum(x, 0, out=out[0]), np.maximum(x, 0))

    race = wb.compare({"both": both, "one only": one_only}, inputs=(x,), rounds=1)
    assert race.conditions["out"] == ["both", "one only"]
    assert race["both"].right
    assert "out=" in race["one only"].fault


def test_numbers_and_records_are_results_too() -> None:
    @dataclass(frozen=True)
    class Extremes:
        low: float
        high: np.ndarray[Any, Any]

    def extremes(x: Any) -> Extremes:
        return Extremes(float(x.min()), x.max(axis=0))

    assert [leaf.shape for leaf in leaves(extremes(x))] == [(), (30,)]
    race = wb.compare({"one": extremes, "two": lambda x: Extremes(0.0, x.max(axis=0))}, inputs=(x,), rounds=1)
    assert race["one"].right
    assert "off by" in race["two"].fault
    norms = {"one": lambda x: np.sqrt(np.sum(x * x)), "two": np.linalg.norm}
    assert wb.compare(norms, inputs=(x,), rounds=1)["two"].right


def test_what_changes_a_peers_speed_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/srv/cache")
    monkeypatch.setenv("UNRELATED", "1")
    settings = environment()["settings"].split()
    assert "OPENBLAS_CORETYPE=Haswell" in settings
    assert "NUMBA_CACHE_DIR=cache" in settings
    assert not any(setting.startswith("UNRELATED") for setting in settings)


def test_a_race_of_the_catalogue_knows_what_it_costs_at_the_least() -> None:
    cost = wb.compare("scale", shape=(8, 8), contenders=["numpy"], rounds=1).conditions["cost"]
    assert cost == {"bytes_read": 256, "bytes_written": 256, "flops": 64}
