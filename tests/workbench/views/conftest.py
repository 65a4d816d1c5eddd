"""Models with all that is awkward to show, and races as they may come out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import workbench as wb
from workbench.bench.race import Race, Result
from workbench.models.model import Model

SCRIPT = "<script>alert(1)</script>.weight"
LONG = "block." * 80 + "weight"


@pytest.fixture(scope="session")
def odd(make_odd: Callable[[Path], Model], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with odd names, shapes, dtypes and values."""
    return make_odd(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="session")
def make_odd() -> Callable[[Path], Model]:
    """Make the model ``odd`` anew in a folder."""
    return _odd


@pytest.fixture(scope="session")
def make_race() -> Callable[..., Race]:
    """Make the record of a race from its medians in seconds."""
    return _race


def _odd(folder: Path) -> Model:
    """Return a safetensors file with odd names, shapes, dtypes and values."""
    rng = np.random.default_rng(0)
    special = rng.normal(size=(40, 90)).astype(np.float32)
    special[3:6, 10:14], special[10, 20], special[12, 22] = np.nan, np.inf, -np.inf
    path = folder / "odd.safetensors"
    save_file(
        {
            SCRIPT: rng.normal(size=(8, 8)).astype(np.float32),
            LONG: np.ones((64, 64), np.float32),
            "scalar": np.array(3.5, np.float32),
            "special": special,
            "all.nan": np.full((3, 4), np.nan, np.float32),
            "q.int8": rng.integers(-128, 127, size=(64, 256)).astype(np.int8),
            "bf16.weight": rng.normal(size=(128, 100)).astype(ml_dtypes.bfloat16),
            "empty": np.zeros((0, 5), np.float32),
            "conv.weight": rng.normal(size=(16, 8, 3, 3)).astype(np.float32),
            "vector": np.arange(300, dtype=np.float64),
        },
        path,
    )
    return wb.load(path)


@pytest.fixture(scope="session")
def text_model() -> Model:
    """An ONNX model with a tensor of text."""
    words = numpy_helper.from_array(np.array(["<b>bold</b>", "négatif", ""], dtype=object), "labels")
    node = helper.make_node("Identity", ["labels"], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.STRING, [3])
    graph = helper.make_graph([node], "words", [], [output], [words])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return wb.load(model)


def _race(medians: dict[str, float], *, wrong: tuple[str, ...] = (), spread: float = 0.02) -> Race:
    """Return the record of a race as it would come out with these medians, in seconds."""
    rng = np.random.default_rng(1)
    results = tuple(
        Result(
            contender=name,
            version=f"{name} 1.0",
            seconds=tuple((median * np.exp(spread * rng.normal(size=25))).tolist()),
            first_call=0.31,
            error=3e-7,
            right=name not in wrong,
            fault="computes another result" if name in wrong else "",
        )
        for name, median in sorted(medians.items(), key=lambda entry: entry[1])
    )
    conditions = {"rounds": 25, "truth": "float64", "cache": "warm", "out": ["numba"], "load": 0.3}
    return Race("layer_norm", (512, 768), "float32", results, {"cupy": "no GPU here"}, conditions, {"cores": 2})
