"""Every kernel and variant through NVIDIA's own compiler: no warning, no spilled register where rows are resident."""

from __future__ import annotations

import importlib

import pytest

import fused_kernels as fk
from fused_kernels.cuda import compile as cuda_compile
from fused_kernels.cuda.compile import ARCHITECTURES, ENTRY, compiled, machine_code, usages, warnings
from fused_kernels.cuda.source import Kernel, program

DTYPES = ("float32", "float64", "float16", "bfloat16")
OPERATIONS = ("softmax", "log_softmax", "layer_norm", "add_layer_norm", "rms_norm", "l2_normalize")
CASES = [(name, dtype) for name in OPERATIONS for dtype in DTYPES]


pytestmark = pytest.mark.usefixtures("nvrtc")


def variants(name: str, dtype: str) -> list[Kernel]:
    rows = importlib.import_module(f"fused_kernels.ops.{name}.gpu").ROWS
    return list(rows.variants(dtype, columns="axis" in fk.OPS[name].function.__code__.co_varnames))


def check(kernels: list[Kernel], architecture: str) -> None:
    names = [f"kernel_{place}" for place in range(len(kernels))]
    made = compiled(program(kernels, names), architecture)
    assert not warnings(made.log), made.log
    found = usages(made.log)
    assert set(found) == set(names)
    # Around a call for a division or an exp in float64 ptxas keeps some words there; a row that does not fit into the
    # registers would be several hundred bytes.
    spilled = {kernels[names.index(name)].body: usage for name, usage in found.items() if usage.spilled > 128}
    assert not spilled, architecture
    assert made.code[:4] == b"\x7fELF"


@pytest.mark.parametrize(
    ("name", "dtype", "architecture"),
    # Each kernel for one architecture and each architecture for some kernels; all for all is `make test-slow`.
    [(*case, ARCHITECTURES[place * 3 % len(ARCHITECTURES)]) for place, case in enumerate(CASES) if place % 3 == 0],
)
def test_kernels_compile(name: str, dtype: str, architecture: str) -> None:
    check(variants(name, dtype), architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_every_kernel_compiles_for_every_architecture(name: str, dtype: str, architecture: str) -> None:
    check(variants(name, dtype), architecture)


def test_vectors_are_loaded_and_stored_sixteen_bytes_at_once() -> None:
    for dtype in DTYPES:
        kernels = [kernel for kernel in variants("softmax", dtype) if "streaming" in kernel.body]
        text = program(kernels[:1], [ENTRY])
        assembly = cuda_compile.assembly(text, "compute_90")
        for access in ("ld.global", "st.global"):
            widths = {line.split()[0] for line in assembly.splitlines() if line.strip().startswith(access)}
            assert any(".v4." in width or ".v2.b64" in width or ".v2.f64" in width for width in widths), (dtype, widths)


def test_machine_code_is_kept_on_disk_and_told_from_that_of_other_sources(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fused_kernels.cpu.compile.cache_folder", lambda: tmp_path)
    kernel = variants("softmax", "float32")[0]
    first = machine_code(kernel, "sm_90")
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"what was kept")
    assert machine_code(kernel, "sm_90") == b"what was kept"
    assert machine_code(kernel._replace(source=kernel.source + "\n"), "sm_90")[:4] == first[:4] == b"\x7fELF"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_the_compiler_refuses_is_an_error_with_its_words() -> None:
    broken = Kernel('#include "rows.cuh"\n', "nonsense(a);", "RowArguments", 128)
    with pytest.raises(fk.KernelError, match=r"could not compile a kernel for sm_90: (.|\n)*nonsense"):
        compiled(program([broken], [ENTRY]), "sm_90")
    with pytest.raises(fk.KernelError, match="sm_20"):
        compiled(program([broken], [ENTRY]), "sm_20")
