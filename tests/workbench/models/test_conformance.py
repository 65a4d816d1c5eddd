"""ONNX's own conformance models: every one loads, and those that ONNX Runtime runs give what its bare session gives."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import workbench as wb
from workbench.errors import InputError, LoadError, RunError
from workbench.models.formats.onnx.graph import DTYPES

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
FILES = sorted(
    path for kind in ("simple", "pytorch-converted", "pytorch-operator") for path in (DATA / kind).rglob("*.onnx")
)


class Case(NamedTuple):
    name: str
    model: bytes
    feeds: list[Any] | None


@cache
def node_cases() -> list[Case]:
    """Return the suite's cases of single nodes, which the package makes in memory."""
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_node_model_tests()
    return [Case(one.name, one.model.SerializeToString(), [as_array(x) for x in one.data_sets[0][0]]) for one in cases]


def as_array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def file_cases() -> Iterator[Case]:
    for path in FILES:
        inputs = [onnx.load_tensor(file) for file in sorted(path.parent.glob("test_data_set_0/input_*.pb"))]
        try:
            feeds: list[Any] | None = [numpy_helper.to_array(tensor) for tensor in inputs]
        except Exception:  # sequences are written in another message
            feeds = None
        yield Case(f"{path.parent.name}/{path.name}", path.read_bytes(), feeds)


def check_description(case: Case) -> None:
    """Compare with what the proto says, read here in another way."""
    graph = onnx.load_model_from_string(case.model).graph
    info = wb.load(case.model).info
    initialised = {tensor.name for tensor in graph.initializer}
    for specs, values in [
        (info.inputs, [value for value in graph.input if value.name not in initialised]),
        (info.outputs, list(graph.output)),
    ]:
        assert [spec.name for spec in specs] == [value.name for value in values]
        for spec, value in zip(specs, values, strict=True):
            tensor = value.type.tensor_type
            if not value.type.HasField("tensor_type"):
                assert "(" in spec.dtype
                continue
            assert spec.dtype == (DTYPES[tensor.elem_type] if tensor.elem_type else "undefined")
            shape = (
                [size.dim_param or size.dim_value for size in tensor.shape.dim] if tensor.HasField("shape") else None
            )
            assert (None if spec.shape is None else [size or 0 for size in spec.shape]) == shape


def check_run(case: Case) -> bool:
    """Run ours and the bare session on the same inputs; return whether the bare one ran."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    model = wb.load(case.model)
    names = [spec.name for spec in model.info.inputs]
    if case.feeds is None or len(case.feeds) != len(names):
        return False
    feeds = dict(zip(names, case.feeds, strict=True))
    try:
        bare = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"]).run(None, feeds)
    except Exception:
        with contextlib.suppress(LoadError, RunError, InputError):
            model.run(feeds)  # may run, as dtypes that NumPy lacks do
        return False
    ours = model.run(feeds)
    assert list(ours) == [spec.name for spec in model.info.outputs]
    if "random" not in case.name and "bernoulli" not in case.name and "dropout" not in case.name:
        for mine, theirs in zip(ours.values(), bare, strict=True):
            assert_same(mine, theirs)
    return True


def assert_same(mine: Any, theirs: Any) -> None:
    if isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other)
    elif theirs is not None:
        assert np.asarray(mine).shape == np.asarray(theirs).shape
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs).view(np.asarray(mine).dtype))


def check_all(cases: list[Case]) -> int:
    """Check each case and return how many ran; name all that failed."""
    failures, ran = [], 0
    for case in cases:
        try:
            check_description(case)
            ran += check_run(case)
        except Exception as error:
            failures.append(f"{case.name}: {type(error).__name__}: {str(error).strip().splitlines()[0][:150]}")
    assert not failures, "\n".join([f"{len(failures)} of {len(cases)} failed", *failures])
    return ran


def test_the_models_in_files() -> None:
    cases = list(file_cases())
    assert len(cases) > 100
    assert check_all(cases) > 0.65 * len(cases)


def test_all_models_of_single_nodes() -> None:
    cases = node_cases()
    assert len(cases) > 1500
    assert check_all(cases) > 0.6 * len(cases)
