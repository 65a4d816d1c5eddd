"""Every kernel and variant through NVIDIA's own compiler: no warning, no spilled register where rows are resident.

NVRTC's front end writes one assembly for sm_75 to sm_90, but for the rounding to bfloat16, and another for sm_100 and
sm_120. Each kernel is compiled for one architecture of either kind, in turns, so that each architecture has a fifth or
a half of all kernels; all kernels for all architectures are `make test-slow`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import fused_kernels as fk
from fused_kernels.cuda import compile as cuda_compile
from fused_kernels.cuda.compile import ARCHITECTURES, ENTRY, compiled, machine_code
from fused_kernels.cuda.source import Kernel, program
from fused_kernels.ops import elementwise as built_in

from .cases import DTYPES, WITH_KERNELS, on, programs, sample, variants
from .conftest import Compiler
from .emulation import Card

FORMULAS = tuple(op.name for op in built_in.OPERATIONS)
CASES = [(name, dtype) for name in (*WITH_KERNELS, *FORMULAS) for dtype in DTYPES]
ALIKE = (("sm_75", "sm_80", "sm_86", "sm_89", "sm_90"), ("sm_100", "sm_120"))
"""Architectures for which the assembly is the same but for its first lines, and on sm_75 what rounds to bfloat16."""


def turns_of(name: str, dtype: str) -> Iterator[str]:
    """Yield the architectures that a case is compiled for: one of each kind."""
    # Of each operation another dtype is the first.
    place = sum(divmod(CASES.index((name, dtype)), len(DTYPES)))
    yield from (alike[place % len(alike)] for alike in ALIKE)


def kernels_of(name: str, dtype: str, planner) -> tuple[Kernel, ...]:
    if name in WITH_KERNELS:
        return variants(name, dtype)
    # A formula's kernels are written when it is called: along one axis, with a rest of vectors, and along two.
    for shape, view in (
        ((1, 1003), lambda x: x),
        ((6, 64), lambda x: x[:, :48]),
        ((5, 7), lambda x: x.T),
    ):
        inputs = on(Card, sample(name, shape, dtype))
        given = {key: view(value) if isinstance(value, Card) else value for key, value in inputs.items()}
        fk.OPS[name].function(**given)
    return tuple(dict.fromkeys(launch.kernel for launch in planner.started))


def check(compiler: Compiler, kernels: tuple[Kernel, ...], architecture: str) -> None:
    for group in programs(kernels):
        warnings, usages = compiler.checked(group, architecture)
        assert not warnings
        # Around a call for a division or an exp in float64 ptxas keeps some words there; a row that does not fit into
        # the registers would be several hundred bytes.
        spilled = {
            kernel.body: usage.spilled for kernel, usage in zip(group, usages, strict=True) if usage.spilled > 128
        }
        assert not spilled, architecture


def test_each_architecture_and_each_kernel_has_its_turn() -> None:
    turns = [(architecture, dtype) for name, dtype in CASES for architecture in turns_of(name, dtype)]
    assert {*turns} == {(architecture, dtype) for architecture in ARCHITECTURES for dtype in DTYPES}
    assert {*ARCHITECTURES} == {each for alike in ALIKE for each in alike}


@pytest.mark.usefixtures("nvrtc")
def test_the_assembly_is_the_same_for_architectures_that_take_turns() -> None:
    for dtype in ("float32", "bfloat16"):
        source = program(variants("layer_norm", dtype)[:1], [ENTRY])
        for alike in ALIKE:
            texts = {
                tuple(
                    line
                    for line in cuda_compile.assembly(source, each.replace("sm", "compute")).splitlines()
                    if not line.startswith((".version", ".target"))
                )
                for each in alike
                if (each, dtype) != ("sm_75", "bfloat16")
            }
            assert len(texts) == 1


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_every_kernel_compiles(compiler, planner, name: str, dtype: str) -> None:
    kernels = kernels_of(name, dtype, planner)
    for architecture in turns_of(name, dtype):
        check(compiler, kernels, architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_every_kernel_compiles_for_every_architecture(
    compiler, planner, name: str, dtype: str, architecture: str
) -> None:
    check(compiler, kernels_of(name, dtype, planner), architecture)


@pytest.mark.usefixtures("nvrtc")
def test_vectors_are_loaded_and_stored_sixteen_bytes_at_once() -> None:
    for dtype in DTYPES:
        kernels = [kernel for kernel in variants("softmax", dtype) if "streaming" in kernel.body]
        text = program(kernels[:1], [ENTRY])
        assembly = cuda_compile.assembly(text, "compute_90")
        for access in ("ld.global", "st.global"):
            widths = {line.split()[0] for line in assembly.splitlines() if line.strip().startswith(access)}
            assert any(".v4." in width or ".v2.b64" in width or ".v2.f64" in width for width in widths), (dtype, widths)


@pytest.mark.usefixtures("nvrtc")
def test_machine_code_is_kept_on_disk_and_told_from_that_of_other_sources(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fused_kernels.cpu.compile.cache_folder", lambda: tmp_path)
    kernel = variants("softmax", "float32")[0]
    first = machine_code(kernel, "sm_90")
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"what was kept")
    assert machine_code(kernel, "sm_90") == b"what was kept"
    assert machine_code(kernel._replace(source=kernel.source + "\n"), "sm_90")[:4] == first[:4] == b"\x7fELF"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("nvrtc")
def test_what_the_compiler_refuses_is_an_error_with_its_words() -> None:
    broken = Kernel('#include "rows.cuh"\n', "nonsense(a);", "RowArguments", 128)
    with pytest.raises(fk.KernelError, match=r"could not compile a kernel for sm_90: (.|\n)*nonsense"):
        compiled(program([broken], [ENTRY]), "sm_90")
    with pytest.raises(fk.KernelError, match="sm_20"):
        compiled(program([broken], [ENTRY]), "sm_20")
