"""The elementary functions become vector code, on this processor and on others.

Each check runs in a process of its own: the target is set when Numba starts, and machine code from a cache cannot be
looked at.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def not_vectorised(translate: Callable[[Any], str], scalar: tuple[str, ...] = ()) -> list[str]:
    """Compile the loop of each function in each dtype; return which are no vector code in what ``translate`` makes."""
    from test_vector_math import DTYPES, ONE, TWO

    for name, function in (ONE | TWO).items():
        for dtype in DTYPES:
            function(*([np.ones(3, dtype)] * (2 if name in ONE else 3)))
    codes = {
        (name, str(signature[0].dtype)): translate(compiled.library)
        for name, function in (ONE | TWO).items()
        for signature, compiled in function.overloads.items()
    }
    return [
        f"{name} {dtype}" for (name, dtype), code in codes.items() if calls(code) or packed(code) == (name in scalar)
    ]


def translated_for_neon(library: Any) -> str:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = "aarch64-unknown-linux-gnu"
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu="neoverse-n1", opt=3)
    code = re.sub(r'target triple = ".*"', f'target triple = "{triple}"', library.get_llvm_str())
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


CHECK = "wrong = t.not_vectorised({}); assert not wrong, wrong"


def test_vector_code_for_this_processor(tmp_path: Path) -> None:
    elsewhere(CHECK.format("lambda library: library.get_asm_str()"), tmp_path)


@x86
def test_vector_code_for_avx2_and_as_exact(tmp_path: Path) -> None:
    exact = "[m.test_how_exact(name, dtype) for name in ('exp', 'exp2') for dtype in m.DTYPES]"
    power = "m.test_power_is_exact(t.np.float64)"
    check = CHECK.format("lambda library: library.get_asm_str().replace('zmm', 'of another processor')")
    elsewhere(f"{check}; import test_vector_math as m; {exact}; {power}", tmp_path, **AVX2)


@x86
def test_vector_code_for_neon(tmp_path: Path) -> None:
    # Without optimisation by Numba, so that LLVM's vectoriser decides as it would on that processor.
    # It has no gather, which sin and cos load their table by.
    elsewhere(CHECK.format("t.translated_for_neon, ('sin', 'cos')"), tmp_path, **AVX2, NUMBA_OPT="0")
