"""rms_norm in CUDA."""

from __future__ import annotations

from fused_kernels.cuda.call import Call
from fused_kernels.cuda.launch import Plan
from fused_kernels.cuda.rows import Description, plan_rows

IN_PLACE = True
ROWS = Description.beside(__file__, "RmsNorm", has_weights=True)
variants = ROWS.variants


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    return plan_rows(call, ROWS)
