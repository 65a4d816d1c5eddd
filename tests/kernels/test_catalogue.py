"""What every entry of the catalogue carries: for races, for the documentation, for whoever asks for help."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pickle

import numpy as np
import pytest

import fused_kernels as fk


@pytest.fixture(params=sorted(fk.OPS))
def op(request: pytest.FixtureRequest) -> fk.Op:
    return fk.OPS[request.param]


def test_the_catalogue_entry_is_complete(op: fk.Op) -> None:
    assert getattr(fk, op.name) is op.function
    assert op.summary
    assert set(op.tolerance) == {"float32", "float64"}
    assert "torch" in op.peers
    cost = op.cost(**op.sample(op.shapes[1], np.dtype("float32"), np.random.default_rng(0)))
    assert cost.bytes_read > 0
    assert cost.bytes_written > 0
    assert cost.flops > 0
    parameters = inspect.signature(op.function).parameters
    assert "out" not in parameters or parameters["out"].kind is inspect.Parameter.KEYWORD_ONLY
    assert [p for p in parameters if p != "out"] == list(inspect.signature(op.reference).parameters)
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n" in inspect.getdoc(op.function), f"{op.name}'s docstring lacks {section}"


def test_the_examples_of_its_documentation_run(op: fk.Op) -> None:
    module = importlib.import_module(op.function.__module__)
    found = doctest.DocTestFinder().find(op.function, op.name, globs=vars(module))
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert sum(result.attempted for result in results) > 0
    assert sum(result.failed for result in results) == 0


def test_an_operation_can_be_pickled(op: fk.Op) -> None:
    """As pools of processes do with what they call."""
    assert pickle.loads(pickle.dumps(op.function)) is op.function
