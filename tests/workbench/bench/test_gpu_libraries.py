"""What is asked of torch, CuPy and Triton for a race on a GPU is there, in the versions that are installed."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import workbench as wb
from fused_kernels.catalog import OPS
from workbench.bench import contenders
from workbench.bench.contenders import liger, triton
from workbench.bench.environment import gpu
from workbench.errors import InputError

BENCH = Path(wb.__file__).parent / "bench"


def asked(library: str) -> Iterator[str]:
    """Yield what the modules ask of a library, such as ``cuda.Event``."""
    for path in (*BENCH.glob("devices/*.py"), *BENCH.glob("contenders/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            for root in (f"{library}.", f"self._{library}."):
                if text.startswith(root) and text.replace(".", "").isidentifier():
                    yield text.removeprefix(root)


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_all_that_is_asked_of_a_library_is_there(library: str) -> None:
    module = pytest.importorskip(library)
    found = set(asked(library))
    assert {"cuda.Event", "cuda.is_available"} <= found
    for name in found:
        value = module
        for part in name.split("."):
            value = getattr(value, part)


def test_torchs_graphs_and_events_have_the_methods_that_are_called() -> None:
    torch = pytest.importorskip("torch")
    assert {"stream", "pool"} <= set(inspect.signature(torch.cuda.graph).parameters)
    for owner, methods in {
        torch.cuda.CUDAGraph: ("replay", "capture_begin", "capture_end"),
        torch.cuda.Event: ("record", "query", "elapsed_time"),
        torch.cuda.Stream: ("synchronize", "__cuda_stream__"),
    }.items():
        assert all(hasattr(owner, method) for method in methods)


def test_the_tables_of_names_are_those_of_the_functions() -> None:
    assert set(liger.OPS) == set(liger._FORMS)
    tree = ast.parse((BENCH / "contenders" / "triton_kernels.py").read_text())
    assert set(triton.OPS) <= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


ON_THE_CPU = """
import numpy as np, torch, fused_kernels as fk
from workbench.bench.contenders import triton, triton_kernels
assert set(triton_kernels.FORMS) == set(triton.OPS)
for name, form in triton_kernels.FORMS.items():
    op = fk.OPS[name]
    for shape in ((3, 64), (2, 1000)):
        inputs = op.sample(shape, np.dtype(np.float32), np.random.default_rng(0))
        given = {key: torch.from_numpy(it) if isinstance(it, np.ndarray) else it for key, it in inputs.items()}
        found, truth = form(**given), op.truth(**inputs)
        for one, other in zip(*(each if isinstance(each, tuple) else (each,) for each in (found, truth)), strict=True):
            np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-5)
"""


def test_the_kernels_in_triton_are_right() -> None:
    """By Triton's own interpreter, on the CPU."""
    pytest.importorskip("triton")
    done = subprocess.run(
        [sys.executable, "-c", ON_THE_CPU],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_liger_has_the_functions_that_race() -> None:
    pytest.importorskip("liger_kernel")
    functions: ModuleType = importlib.import_module("liger_kernel.ops")
    assert all(form(functions) for form in liger._FORMS.values())


@pytest.mark.skipif(bool(gpu()), reason="there is a GPU here")
def test_without_a_gpu_there_is_no_race_on_one() -> None:
    with pytest.raises(InputError, match=r"no NVIDIA GPU here to race on \(torch.+; cupy.+\)"):
        wb.compare("softmax", device="cuda")
    of_cupy = type("ndarray", (), {"__module__": "cupy"})()
    with pytest.raises(InputError, match=r"to race on \(cupy.+; torch.+\)"):
        wb.compare({"mine": abs}, inputs=(1, of_cupy), device="cuda")
    with pytest.raises(InputError, match="device= is 'cpu' or 'cuda'; got 'tpu'"):
        wb.compare("softmax", device="tpu")
    assert contenders.absent(OPS["softmax"], None) == {"cupy": "no GPU here"}
