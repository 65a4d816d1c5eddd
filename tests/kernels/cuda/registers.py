"""Registers, shared memory and spills of every kernel, as ptxas reports them; no GPU is needed.

.venv/bin/python tests/kernels/cuda/registers.py            # for sm_90
.venv/bin/python tests/kernels/cuda/registers.py sm_75 sm_120
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[3] / "kernels"), str(Path(__file__).parent)]

from cases import DTYPES, WITH_KERNELS, programs, variants  # noqa: E402 (the paths come first)

from fused_kernels.cuda.compile import compiled, usages  # noqa: E402
from fused_kernels.cuda.source import program  # noqa: E402


def main() -> None:
    """Print a line for each kernel."""
    print(f"{'kernel':66}{'registers':>10}{'shared':>8}{'spilled':>9}")
    for architecture in sys.argv[1:] or ["sm_90"]:
        print(architecture)
        for kernels in (
            group for name in WITH_KERNELS for dtype in DTYPES for group in programs(variants(name, dtype))
        ):
            names = [f"kernel_{place}" for place in range(len(kernels))]
            found = usages(compiled(program(kernels, names), architecture).log)
            for entry, kernel in zip(names, kernels, strict=True):
                use = found[entry]
                print(f"  {kernel.body[:-5]:64}{use.registers:10}{use.shared:8}{use.spilled:9}")


if __name__ == "__main__":
    main()
