"""The elementary functions become vector code, on this processor and on others.

Each check runs in a process of its own: the target is set when Numba starts, and machine code from a cache cannot be
looked at.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fused_kernels.cpu import vector_math

MATHEMATICS = re.compile(
    r"(?:exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sinh|cosh|tanh|erf|erfc|fma|ldexp|floor|rint|round|roundeven)f?"
)


def packed(code: str) -> bool:
    """Whether the machine code has fused multiply-adds on vectors."""
    return re.search(r"\tvfn?m(?:add|sub)\w+p[sd]\s.*%[yz]mm|\tfml[as]\s+v\d+\.(?:4s|2d)", code) is not None


def calls(code: str) -> bool:
    """Whether a function of C's mathematical library is called."""
    called = re.findall(r"(?:movabsq\s+\$|\tcall\w*\s+|\tbl\s+)(\w+)", code)
    return any(MATHEMATICS.fullmatch(name) for name in called)


def compiled() -> dict[str, Any]:
    """Compile the loop of each function in each dtype; return what Numba made of each."""
    from test_vector_math import DTYPES, ONE, TWO

    for name, function in (ONE | TWO).items():
        for dtype in DTYPES:
            function(*([np.ones(3, dtype)] * (2 if name in ONE else 3)))
    return {
        f"{name} {signature[0].dtype}": result.library
        for name, function in (ONE | TWO).items()
        for signature, result in function.overloads.items()
    }


def compiled_as_formulas() -> dict[str, Any]:
    """Compile each function in the loop of `fk.elementwise`, in each dtype; return what Numba made of each."""
    from numba import types
    from test_vector_math import DTYPES, ONE

    from fused_kernels.cpu.compile import inline
    from fused_kernels.cpu.loops.element import operands_of
    from fused_kernels.cpu.loops.elements import _share
    from fused_kernels.cpu.views import LIKE

    libraries = {}
    for name, dtype in itertools.product(ONE, DTYPES):
        share = inline(_share(getattr(vector_math, name), operands_of((False,)), LIKE[np.dtype(dtype)]))
        share.compile((types.int64,) * 3)
        ((_, result),) = share.overloads.items()
        libraries[f"{name} {dtype.__name__}, a formula"] = result.library
    return libraries


def assert_vector_code(codes: dict[str, str]) -> None:
    wrong = [function for function, code in codes.items() if calls(code) or not packed(code)]
    assert not wrong, wrong


def before_optimisation() -> dict[str, str]:
    """Return where the code of each loop, by the name of its library, will be as it is before Numba optimises it."""
    from numba.core.codegen import CPUCodeLibrary

    kept: dict[str, str] = {}
    optimise = CPUCodeLibrary._optimize_final_module

    def keep(library: Any) -> None:
        if ".run" in library.name:
            kept[library.name] = str(library._final_module)
        optimise(library)

    CPUCodeLibrary._optimize_final_module = keep
    return kept


def translated_for_neon(code: str) -> str:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = "aarch64-unknown-linux-gnu"
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu="neoverse-n1", opt=3)
    # References are counted by an instruction of x86, and not in the loop.
    code = re.sub(
        r"^define [^\n]*(void @NRT_decref\(ptr)[^{]*\{.*?^\}", r"declare \1)", code, flags=re.MULTILINE | re.DOTALL
    )
    code = re.sub(r'target triple = ".*"', f'target triple = "{triple}"', code)
    module = llvm.parse_assembly(
        re.sub(r'target datalayout = ".*"', f'target datalayout = "{machine.target_data}"', code)
    )
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return str(machine.emit_assembly(module))


AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma",
}  # the name alone leaves this machine's features on
x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="haswell is an x86-64 processor")


def elsewhere(code: str, folder: Path, **variables: str) -> None:
    """Run code with this module as ``t``."""
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, sys.argv[1]); import test_vector_code as t; {code}",
    ]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), **variables}
    subprocess.run([*command, str(Path(__file__).parent)], check=True, env=environment, timeout=200)


def check_this_processor() -> None:
    libraries = compiled() | compiled_as_formulas()
    assert_vector_code({name: library.get_asm_str() for name, library in libraries.items()})


def check_others() -> None:
    """Look at what is compiled for AVX2; then let LLVM's vectoriser decide as it would for NEON."""
    import test_vector_math as exact

    kept = before_optimisation()
    libraries = compiled()
    avx2 = {name: library.get_asm_str().replace("zmm", "of another processor") for name, library in libraries.items()}
    assert_vector_code(avx2)
    for name in ("exp", "exp2"):
        for dtype in exact.DTYPES:
            exact.test_how_exact(name, dtype)
    exact.test_power_is_exact(np.float64)
    assert_vector_code({name: translated_for_neon(kept[library.name]) for name, library in libraries.items()})


@pytest.mark.slow  # what becomes vector code for AVX2 has always become it for its successors
def test_vector_code_for_this_processor(tmp_path: Path) -> None:
    elsewhere("t.check_this_processor()", tmp_path)


@x86
def test_vector_code_for_avx2_and_as_exact_and_for_neon(tmp_path: Path) -> None:
    elsewhere("t.check_others()", tmp_path, **AVX2)
