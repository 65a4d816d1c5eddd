"""Real races with small budgets; what is asserted is what they find, never how long something took."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import numpy as np
import pytest

import workbench as wb
from fused_kernels import OPS
from workbench.bench import contenders
from workbench.bench.progress import Progress
from workbench.bench.race import Race
from workbench.bench.racing.clock import Clock
from workbench.errors import InputError, MissingLibraryError, RaceError

EVERYONE = ["numba", "numpy", "torch", "onnxruntime"]
x = np.linspace(-2, 2, 600, dtype=np.float32).reshape(20, 30)


def exp_often(values: Any) -> Any:
    for _ in range(50):
        result = np.exp(values)
    return result


def spoil(values: Any) -> Any:
    result = np.exp(values)
    values[0] = 0
    return result


def race(functions: dict[str, Any], **options: Any) -> Race:
    return wb.compare(functions, **{"inputs": (x,), "rounds": 2, **options})


@pytest.fixture(scope="module")
def layer_norm() -> Race:
    return wb.compare("layer_norm", shape="16x32", budget=0)


def test_all_contenders_are_right(layer_norm: Race) -> None:
    assert {result.contender for result in layer_norm.results} == set(EVERYONE)
    for result in layer_norm.results:
        assert result.right, result.fault
        assert 0 < result.error < 1e-5
        assert len(result.seconds) == layer_norm.conditions["rounds"] >= 7
        assert min(result.seconds) > 0
        assert result.first_call > 0
        assert result.version.startswith(result.contender)
    medians = [result.median for result in layer_norm.results]
    assert medians == sorted(medians)


def test_a_race_says_its_conditions(layer_norm: Race) -> None:
    assert (layer_norm.op, layer_norm.shape, layer_norm.dtype) == ("layer_norm", (16, 32), "float32")
    assert layer_norm.conditions["cache"] == "warm"
    assert {"numba", "onnxruntime"} <= set(layer_norm.conditions["out"])
    assert "numpy" not in layer_norm.conditions["out"]
    assert layer_norm.environment["cores"] >= 1
    assert layer_norm.environment["libraries"]["numpy"] == np.__version__
    assert layer_norm.absent["cupy"]


def test_a_race_survives_json(layer_norm: Race) -> None:
    assert Race.from_dict(json.loads(json.dumps(layer_norm.to_dict()))) == layer_norm


def test_a_race_as_a_table(layer_norm: Race) -> None:
    frame = layer_norm.to_pandas().set_index("contender")
    assert set(frame.index) == set(EVERYONE)
    assert (frame["over"] == "numpy").all()
    assert frame.loc["numpy", "speedup"] == 1
    assert (frame["low"] <= frame["median"]).all()
    assert (frame["median"] <= frame["high"]).all()


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("out", [True, False])
def test_every_operation_of_the_catalogue_races(name: str, out: bool) -> None:
    small = tuple(min(size, 24) for size in OPS[name].shapes[0])
    found = wb.compare(name, shape=small, dtype="float64", rounds=1, out=out)
    # A library may have no such operation in float64, as ONNX Runtime has no Erf.
    failed = {who: why for who, why in found.absent.items() if "NOT_IMPLEMENTED" not in why}
    assert not set(failed) & set(contenders.available(OPS[name])), failed
    assert all(result.right for result in found.results), found.verdict
    result = OPS[name].reference(**OPS[name].sample(small, np.dtype("f8"), np.random.default_rng(0)))
    written = isinstance(result, np.ndarray | tuple)  # and not a number or a record
    assert bool(found.conditions["out"]) == (out and written)


def test_the_best_wins_by_name() -> None:
    found = race({"slow": exp_often, "fast": np.exp}, rounds=9)
    assert found.results[0].contender == "fast"
    assert found.speedup("fast", over="slow").low > 1
    assert found.verdict.startswith("fast is ")


def test_a_wrong_contender_is_named_and_out_of_the_competition() -> None:
    found = race({"theirs": np.exp, "mine": lambda x: x}, reference="theirs")
    assert found["theirs"].right
    assert not found["mine"].right
    assert "mine is off by" in found.verdict
    assert "mine is out" not in found.verdict.partition(".")[0]


@pytest.mark.parametrize(
    ("cheat", "fault"),
    [
        (lambda x: np.exp(x)[1:], "shape"),
        (lambda x: np.where(x > 1.9, np.nan, np.exp(x)), "not a number"),
        (lambda x: (np.exp(x), x), "2 arrays"),
        (lambda x: None, "0 arrays"),
        (spoil, "changes its input"),
    ],
)
def test_what_is_wrong_is_said(cheat: Any, fault: str) -> None:
    found = race({"theirs": np.exp, "mine": cheat}, reference="theirs")
    assert not found["mine"].right
    assert fault in found["mine"].fault
    assert found["theirs"].right, "each has its own inputs"


def test_a_result_that_turns_wrong_during_the_race_is_found() -> None:
    calls = [0]

    def late(x: Any) -> Any:
        calls[0] += 1
        return np.exp(x) if calls[0] < 5 else x

    found = race({"theirs": np.exp, "mine": late}, reference="theirs")
    assert not found["mine"].right


def test_an_unwritten_out_is_found() -> None:
    found = race({"theirs": lambda x: +x, "mine": lambda x, out=None: +x}, reference="theirs")
    assert found.conditions["out"] == ["mine"]
    assert "out=" in found["mine"].fault


def test_inputs_by_name_and_their_layout_are_kept() -> None:
    strides = set()

    def total(a: Any, b: Any) -> Any:
        strides.add((a.strides, b.strides))
        return a + b

    inputs = {"a": x.T, "b": np.broadcast_to(x[:1].T, x.T.shape)}
    found = race({"one": total, "two": lambda b, a: b + a}, inputs=inputs)
    assert all(result.right for result in found.results)
    assert (inputs["a"].strides, inputs["b"].strides) in strides


def test_torch_functions_race_on_tensors() -> None:
    import torch

    found = race({"one": torch.exp, "two": lambda t: torch.exp(t) * 1}, inputs=(torch.from_numpy(x),))
    assert all(result.right for result in found.results), found.verdict
    assert found.conditions["truth"] == "one in float64"


def test_a_single_contender_has_a_time_and_no_rival() -> None:
    found = wb.compare("softmax", shape=(4, 4), contenders=["numpy"], rounds=2)
    assert found.verdict.startswith("NumPy takes ")
    assert found.absent == {}


@pytest.mark.parametrize(
    ("op", "options", "words"),
    [
        ("softmx", {}, "Did you mean 'softmax'?"),
        ("softmax", {"contenders": ["nunpy"]}, "Did you mean 'numpy'?"),
        ("softmax", {"contenders": []}, "needs a contender"),
        ("softmax", {"contenders": {"mine": np.exp}}, "functions race with compare({name: function"),
        ("softmax", {"contenders": ["numpy", "numpy"]}, "once"),
        ("softmax", {"contenders": ["cupy"]}, "cupy cannot race softmax"),
        ("softmax", {"shape": "4xtwo"}, "'4xtwo' is no shape"),
        ("softmax", {"shape": (4, 0)}, "at least 1"),
        ("softmax", {"shape": (10**9, 10**9)}, "does not fit in memory"),
        ("linear", {"shape": (4, 4)}, "shapes of mxkxn"),
        ("softmax", {"dtype": "float99"}, "no dtype"),
        ("softmax", {"dtype": "int8"}, "float32"),
        ("softmax", {"inputs": (x,)}, "by name"),
        ("softmax", {"inputs": {"wrong": x}}, "wrong: float32 (20, 30)"),
        ("softmax", {"budget": -1}, "budget=-1"),
        ("softmax", {"budget": True}, "budget=True"),
        ("softmax", {"rounds": "3"}, "rounds='3'"),
        ("softmax", {"rounds": 1.5}, "rounds=1.5"),
        ("softmax", {"seed": -1}, "seed= is a whole number of at least 0; got -1"),
        ("softmax", {"progress": 5}, "progress= is a function"),
        ("softmax", {"inputs": lambda: x}, "inputs(rng) is called with a numpy.random.Generator, and fails: TypeError"),
        ("softmax", {"device": 5}, "device= is 'cpu' or 'cuda'; got 5"),
        ({1: np.exp, "b": np.exp}, {"inputs": (x,)}, "by name"),
        ({"one": np.exp}, {"inputs": lambda rng: 1 / 0}, "fails: ZeroDivisionError"),
        ({"one": np.exp}, {}, "inputs="),
        ({"one": np.exp}, {"inputs": (x,), "reference": "two"}, "'two' is not among"),
        ({"one": 1}, {"inputs": (x,)}, "no function"),
        ({}, {"inputs": (x,)}, "nothing to race"),
        (3, {}, "got int"),
    ],
)
def test_bad_requests_say_what_to_do(op: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        wb.compare(op, **options)
    assert words in str(caught.value)


def test_a_missing_library_comes_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "installed", lambda name: "" if name == "torch" else "1.0")
    assert contenders.absent(OPS["softmax"])["torch"] == "not installed; pip install torch"
    with pytest.raises(MissingLibraryError, match="pip install torch"):
        wb.compare("softmax", contenders=["torch"])


def test_a_function_that_fails_is_named() -> None:
    def broken(x: Any) -> Any:
        raise ZeroDivisionError("oh")

    with pytest.raises(RaceError, match=r"broken fails on custom .*ZeroDivisionError: oh"):
        race({"good": lambda x: x, "broken": broken})
    with pytest.raises(RaceError, match="'broken' fails"):
        race({"broken": broken})
    with pytest.raises(RaceError, match=r"leaves fails on custom .*SystemExit: 3"):
        race({"good": lambda x: x, "leaves": lambda x: sys.exit(3)})


def test_progress_goes_from_preparing_to_the_last_check() -> None:
    steps: list[Progress] = []
    race({"one": np.exp, "two": lambda x: np.exp(x) * 1}, progress=steps.append, rounds=30)
    assert [steps[0].stage, steps[-1].stage] == ["preparing", "checking"]
    racing = [step for step in steps if step.stage == "racing"]
    assert racing
    assert all(1 <= step.round <= step.rounds == 30 and step.seconds_left >= 0 for step in racing)
    assert [step.round for step in racing] == sorted(step.round for step in racing)


def test_an_interrupt_leaves_everything_as_it_was() -> None:
    def stop(step: Progress) -> None:
        if step.stage == "racing" and step.round > 1:
            raise KeyboardInterrupt

    before = x.copy()
    with pytest.raises(KeyboardInterrupt):
        race({"one": np.exp, "two": lambda x: x * x}, rounds=10_000, progress=stop)
    assert gc.isenabled()
    assert np.array_equal(x, before)


def test_the_clock_waits_for_threads_that_spin() -> None:
    import threading
    import time

    ended = time.perf_counter() + 0.05

    def spin() -> None:
        while time.perf_counter() < ended:
            sum(range(100))

    threading.Thread(target=spin, daemon=True).start()
    assert Clock().settle()
    assert time.perf_counter() >= ended


def test_the_clock_gives_up_on_a_thread_that_never_sleeps() -> None:
    import threading

    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            sum(range(100))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert not Clock().settle(limit=0.03)
    finally:
        done.set()
        thread.join()
