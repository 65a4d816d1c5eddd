"""Where a model's time goes: ONNX Runtime's profile as a value, its table, its text and its picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import workbench as wb
from workbench.errors import InputError, RunError
from workbench.models.profile import Profile
from workbench.models.samples import available


@pytest.fixture(scope="module")
def profile() -> Profile:
    model = wb.load("sample:mlp", optimization="disable", intra_threads=1)
    return model.profile({"x": np.zeros((3, 16), np.float32)}, runs=5)


def test_every_node_has_a_row(profile: Profile) -> None:
    import onnx

    nodes = onnx.load_model_from_string(available()["mlp"].source()).graph.node
    assert sorted(row.operator for row in profile.nodes) == sorted(node.op_type for node in nodes)
    assert {row.provider for row in profile.nodes} == {"cpu"}
    assert (3, 4) in [row.shape for row in profile.nodes]
    assert sum(row.share for row in profile.nodes) == pytest.approx(1)
    assert [row.seconds for row in profile.nodes] == sorted((row.seconds for row in profile.nodes), reverse=True)
    assert profile.runs == 5
    assert profile.seconds > 0


def test_operators_are_the_sums_of_their_nodes(profile: Profile) -> None:
    assert sum(row.nodes for row in profile.operators) == len(profile.nodes)
    assert sum(row.seconds for row in profile.operators) == pytest.approx(sum(row.seconds for row in profile.nodes))
    for row in profile.operators:
        assert row.share == pytest.approx(sum(node.share for node in profile.nodes if node.operator == row.operator))


def test_its_table_text_and_picture_say_the_same(profile: Profile) -> None:
    table = profile.to_pandas()
    assert list(table.columns) == ["name", "operator", "provider", "shape", "seconds", "share"]
    assert len(table) == len(profile.nodes)
    assert profile.to_pandas("operator")["nodes"].sum() == len(profile.nodes)
    with pytest.raises(InputError, match="'node' nor 'operator'"):
        profile.to_pandas("run")
    picture = profile._repr_html_().replace("\N{NO-BREAK SPACE}", " ")
    for said in (profile.conditions_text, *(row.name for row in profile.nodes)):
        assert said in str(profile)
        assert said in picture
    assert "median of 5 runs" in str(profile)
    assert "intra_threads 1" in str(profile)


def test_nothing_is_left_on_the_disk() -> None:
    before = set(Path(tempfile.gettempdir()).glob("workbench-profile-*")) | set(Path().glob("*.json"))
    model = wb.load("sample:mlp")
    model.profile({"x": np.zeros((1, 16), np.float32)}, runs=1)
    assert set(Path(tempfile.gettempdir()).glob("workbench-profile-*")) | set(Path().glob("*.json")) == before


def test_the_time_of_a_loop_is_not_counted_twice() -> None:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["again"]),
            helper.make_node("MatMul", ["a", "a"], ["b"], name="inner"),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("more", TensorProto.BOOL, []), info("a", TensorProto.FLOAT, [64, 64])],
        [info("again", TensorProto.BOOL, []), info("b", TensorProto.FLOAT, [64, 64])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["count", "", "x"], ["y"], body=body, name="outer")],
        "g",
        [info("count", TensorProto.INT64, []), info("x", TensorProto.FLOAT, [64, 64])],
        [info("y", TensorProto.FLOAT, [64, 64])],
    )
    model = wb.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    found = model.profile({"count": np.array(200), "x": np.zeros((64, 64), np.float32)}, runs=1)
    assert {row.name for row in found.nodes} >= {"inner", "outer"}
    assert sum(row.seconds for row in found.nodes) <= found.seconds


@pytest.mark.parametrize("runs", [0, -1, 2.5, True, "3"])
def test_how_many_runs_is_checked(runs: Any) -> None:
    with pytest.raises(InputError, match="from 1 on"):
        wb.load("sample:mlp").profile({"x": np.zeros((1, 16), np.float32)}, runs=runs)


def test_bad_inputs_and_the_reference_evaluator_are_refused() -> None:
    with pytest.raises(InputError, match="'x' is missing"):
        wb.load("sample:mlp").profile({})
    with pytest.raises(RunError, match="keeps no times"):
        wb.load("sample:mlp", provider="reference").profile({"x": np.zeros((1, 16), np.float32)})
