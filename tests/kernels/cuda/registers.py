"""Registers, shared memory and spills of the operations on rows, as ptxas reports them; no GPU is needed.

.venv/bin/python tests/kernels/cuda/registers.py            # for sm_90
.venv/bin/python tests/kernels/cuda/registers.py sm_75 sm_120
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "kernels"))

import fused_kernels as fk
from fused_kernels.cuda.compile import compiled, usages
from fused_kernels.cuda.rows import TYPES
from fused_kernels.cuda.source import program

OPERATIONS = ("softmax", "log_softmax", "layer_norm", "add_layer_norm", "rms_norm", "l2_normalize")


def main() -> None:
    """Print a line for each kernel."""
    print(f"{'kernel':66}{'registers':>10}{'shared':>8}{'spilled':>9}")
    for architecture in sys.argv[1:] or ["sm_90"]:
        print(architecture)
        for name in OPERATIONS:
            rows = importlib.import_module(f"fused_kernels.ops.{name}.gpu").ROWS
            columns = "axis" in fk.OPS[name].function.__code__.co_varnames
            for dtype in TYPES:
                kernels = list(rows.variants(dtype, columns=columns))
                names = [f"kernel_{place}" for place in range(len(kernels))]
                found = usages(compiled(program(kernels, names), architecture).log)
                for entry, kernel in zip(names, kernels, strict=True):
                    use = found[entry]
                    print(f"  {kernel.body[:-5]:64}{use.registers:10}{use.shared:8}{use.spilled:9}")


if __name__ == "__main__":
    main()
