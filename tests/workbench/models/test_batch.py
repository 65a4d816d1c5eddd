"""Many input sets at once: stacked where that gives the same, in order, and a bad one fails alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import workbench as wb
from workbench.errors import InputError, RunError, WorkbenchError
from workbench.models.batch import MOST_ROWS
from workbench.models.formats.onnx import OnnxModel

from ..alike import same  # noqa: TID252


class Counted:
    """A model whose runs are counted, by how many rows they have."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model, self.rows = model, []
        run = OnnxModel._run

        def counting(this: Any, inputs: Any, outputs: Any, stop: Any) -> Any:
            self.rows.append(len(next(iter(inputs.values()))))
            return run(this, inputs, outputs, stop)

        monkeypatch.setattr(OnnxModel, "_run", counting)


def model_of(nodes: list[Any], *, constants: dict[str, Any] | None = None, width: Any = 4, rows: Any = "n") -> Any:
    """Return a model from x to y, both of ``rows`` rows."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width]) for name in "xy")
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", [x], [y], stored)
    return wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def sets_of(*rows: int, width: int = 4) -> list[dict[str, Any]]:
    random = np.random.default_rng(len(rows))
    return [{"x": random.standard_normal((count, width)).astype(np.float32)} for count in rows]


def alone(model: Any, sets: list[Any]) -> list[Any]:
    return [model.run(one) for one in sets]


def assert_close(ours: list[Any], expected: list[Any]) -> None:
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        assert one.keys() == other.keys()
        for name in other:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6)


def test_sets_are_stacked_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wb.load("sample:mlp")
    sets = sets_of(1, 3, 1, 2, width=16)
    expected = alone(model, sets)
    counted = Counted(model, monkeypatch)
    assert_close(model.run_batch(sets), expected)
    assert counted.rows == [7, 7, 1, 7, 2]  # the stack, and what shows that its rows are independent
    counted.rows.clear()
    assert_close(model.run_batch(sets), expected)
    assert counted.rows == [7]
    assert model.run_batch(sets)[2].provider == "cpu"


def test_sets_of_other_sizes_are_stacked_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], width="m")
    sets = [*sets_of(1, 1, width=3), *sets_of(2, 1, width=5), *sets_of(1, 1, 1, width=7)]
    expected = alone(model, sets)
    model.run_batch(sets)
    counted = Counted(model, monkeypatch)
    assert_close(model.run_batch([sets[index] for index in (0, 2, 4, 1, 3, 5, 6)]),
                 [expected[index] for index in (0, 2, 4, 1, 3, 5, 6)])  # fmt: skip
    assert counted.rows == [2, 3, 3]


def test_a_stack_has_a_greatest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = wb.load("sample:mlp")
    sets = sets_of(*[1] * (2 * MOST_ROWS + 1), width=16)
    model.run_batch(sets[:2])
    counted = Counted(model, monkeypatch)
    assert len(model.run_batch(sets)) == len(sets)
    assert counted.rows == [MOST_ROWS, MOST_ROWS, 1]


def test_bad_sets_fail_alone() -> None:
    model = wb.load("sample:mlp")
    good = sets_of(1, 2, width=16)
    bad = [{}, {"X": 1}, {"x": np.zeros((1, 15), np.float32)}, {"x": np.zeros((1, 16))}, None, [1], {"x": None}]
    results = model.run_batch([good[0], *bad, good[1]])
    assert all(isinstance(result, InputError) for result in results[1:-1])
    assert_close([results[0], results[-1]], alone(model, good))
    assert "astype('float32')" in str(results[4])
    assert model.run_batch([]) == []


def test_a_set_that_makes_the_stack_fail_is_found() -> None:
    """An index that is out of range is seen only when the model runs."""
    i, y = (helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in
            [("i", TensorProto.INT64), ("y", TensorProto.FLOAT)])  # fmt: skip
    table = numpy_helper.from_array(np.arange(5, dtype=np.float32), "table")
    graph = helper.make_graph([helper.make_node("Gather", ["table", "i"], ["y"])], "g", [i], [y], [table])
    model = wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    results = model.run_batch([{"i": [1]}, {"i": [9]}, {"i": [2]}])
    assert isinstance(results[1], RunError)
    assert [results[0]["y"].tolist(), results[2]["y"].tolist()] == [[1], [2]]


MIXING = {
    "less the mean of the batch": (
        [helper.make_node("ReduceMean", ["x", "axis"], ["m"]), helper.make_node("Sub", ["x", "m"], ["y"])],
        {"axis": np.array([0])},
    ),
    "summed from the first row": ([helper.make_node("CumSum", ["x", "axis"], ["y"])], {"axis": np.array(0)}),
    "summed from the last row": (
        [helper.make_node("CumSum", ["x", "axis"], ["y"], reverse=1)],
        {"axis": np.array(0)},
    ),
    "softmax over the batch": ([helper.make_node("Softmax", ["x"], ["y"], axis=0)], {}),
    "less the first row": (
        [helper.make_node("Gather", ["x", "first"], ["f"], axis=0), helper.make_node("Sub", ["x", "f"], ["y"])],
        {"first": np.array([0])},
    ),
    "rows in another order": (
        [helper.make_node("Slice", ["x", "start", "stop", "axis", "step"], ["y"])],
        {"start": np.array([-1]), "stop": np.array([-(2**31)]), "axis": np.array([0]), "step": np.array([-1])},
    ),
    "more the number of rows": (
        [
            helper.make_node("Shape", ["x"], ["s"], end=1),
            helper.make_node("Cast", ["s"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["x", "c"], ["y"]),
        ],
        {},
    ),
    "one scale for all": (
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "point"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["y"]),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_model_whose_rows_depend_on_one_another_is_not_stacked(name: str, count: int) -> None:
    """Though it declares the same symbol for its input and its output."""
    nodes, constants = MIXING[name]
    model = model_of(nodes, constants=constants)
    sets = sets_of(*range(1, count + 1))
    expected = alone(model, sets)
    for _ in range(2):
        results = model.run_batch(sets)
        assert all(same(one["y"], other["y"]) for one, other in zip(results, expected, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=6), st.sampled_from(sorted(MIXING)))
def test_whatever_the_sets_a_mixing_model_gives_what_each_set_alone_gives(rows: list[int], name: str) -> None:
    nodes, constants = MIXING[name]
    model = model_of(nodes, constants=constants)
    copies = sets_of(*[rows[0]] * 3)[:1] * 3  # sets that are alike show nothing, and must not count as independent
    model.run_batch(copies)
    sets = sets_of(*rows)
    for one, other in zip(model.run_batch(sets), alone(model, sets), strict=True):
        assert same(one["y"], other["y"])


@pytest.mark.parametrize(("rows", "width"), [(1, 4), (None, 4), ("n", "n")])
def test_what_declares_no_free_first_axis_runs_one_by_one(
    rows: Any, width: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], rows=rows, width=width)
    sets = sets_of(1, 1, width=width if isinstance(width, int) else 1)
    counted = Counted(model, monkeypatch)
    assert len(model.run_batch(sets)) == 2
    assert counted.rows == [1, 1]


def test_what_is_no_list_of_sets_is_refused() -> None:
    model = wb.load("sample:mlp")
    for wrong in ({"x": np.zeros((1, 16), np.float32)}, 3, "x"):
        with pytest.raises(InputError, match="give a list"):
            model.run_batch(wrong)
    with pytest.raises(InputError, match="no output 'logits'"):
        model.run_batch([], ["logits"])


def test_a_hugging_face_model_takes_a_batch(bert: Any) -> None:
    model = wb.load(bert)
    sets = [{"input_ids": np.array([[1, 2, index]])} for index in range(3)]
    assert_close(model.run_batch(sets), alone(model, sets))


LOOP = 2_000_000_000


@pytest.fixture(scope="module")
def endless() -> Any:
    """Return a model that runs for as many rounds as it is told."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["more"], ["again"]), helper.make_node("Add", ["a", "a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]),
        ],
    )
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)], "g", [count, x], [y])
    return wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def rounds(count: int) -> dict[str, Any]:
    return {"count": np.array(count), "x": np.ones(4, np.float32)}


def test_a_cancelled_wait_ends_the_run(endless: Any) -> None:
    """The thread in which it ran is free again, though the model would run for minutes."""
    ended = threading.Event()
    run_until = endless.run_until

    def watched(*arguments: Any) -> Any:
        try:
            return run_until(*arguments)
        finally:
            ended.set()

    async def main() -> None:
        endless.run_until = watched
        try:
            for wait in (endless.arun(rounds(LOOP)), endless.arun_batch([rounds(LOOP)] * 2)):
                ended.clear()
                task = asyncio.create_task(wait)
                await asyncio.sleep(0.2)
                assert not task.done()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await asyncio.to_thread(ended.wait, 20)
        finally:
            del endless.run_until

    asyncio.run(main())
    assert endless.run(rounds(3))["y"].tolist() == [8] * 4


def test_the_loop_is_free_and_several_runs_go_at_once(endless: Any) -> None:
    async def main() -> tuple[list[Any], int]:
        runs = [asyncio.create_task(endless.arun(rounds(20_000))) for _ in range(4)]
        ticks = 0
        while not all(run.done() for run in runs):
            await asyncio.sleep(0)
            ticks += 1
        return [await run for run in runs], ticks

    results, ticks = asyncio.run(main())
    assert ticks > 4
    assert all(np.isinf(result["y"]).all() for result in results)


def test_a_batch_is_awaited() -> None:
    model = wb.load("sample:mlp")
    sets = sets_of(1, 2, width=16)
    results = asyncio.run(model.arun_batch([*sets, {}], ["probabilities"]))
    assert_close(results[:2], alone(model, sets))
    assert isinstance(results[2], WorkbenchError)
