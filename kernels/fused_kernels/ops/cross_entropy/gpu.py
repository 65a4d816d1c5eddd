"""cross_entropy in CUDA. A target that is no class makes its row's loss NaN: to raise an error, the CPU would wait."""

from __future__ import annotations

import math
from pathlib import Path

from fused_kernels.cuda.call import Call
from fused_kernels.cuda.dtypes import FLOATS, itemsize
from fused_kernels.cuda.launch import WARP, Argument, Launch, Plan, grid_of, power_of_two
from fused_kernels.cuda.rows import step_of_rows
from fused_kernels.cuda.source import Kernel, text_of

_WAYS = {"mean": 0, "sum": 1, "none": 2}
_THREADS = 512


def kernel(template: str, dtype: str, *parameters: int) -> Kernel:
    """Return one variant of a template of gpu.cu."""
    text = ", ".join(map(str, (FLOATS[dtype], *parameters)))
    source = text_of(Path(__file__).with_name("gpu.cu"))
    return Kernel(source, f"{template}<{text}>(a);", "LossArguments", _THREADS, itemsize(dtype) == 2)


def variants(dtype: str) -> tuple[Kernel, ...]:
    """Return every kernel that a plan may have for a dtype."""
    return kernel("losses", dtype, 16 // itemsize(dtype)), kernel("total_loss", dtype)


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    logits, target, options = call.arrays["logits"], call.arrays["target"], call.options
    assert logits is not None
    assert target is not None
    step = step_of_rows(logits)
    copies = (("logits",) if step is None else ()) + (() if target.is_contiguous else ("target",))
    if copies:
        return Plan("", "", copies=copies)
    n = logits.shape[-1]
    rows = math.prod(logits.shape[:-1])
    vector = 16 // itemsize(call.dtype)
    threads = max(WARP, min(_THREADS, power_of_two(-(-n // (vector * 4)))))
    grid = grid_of(rows, call.card.blocks(threads))
    way = _WAYS[options["reduction"]]
    pointers: tuple[Argument, ...] = ("logits", "target", "out", None if way == 2 else "work")
    numbers = (rows, n, step, options["ignore_index"], way, float(options["label_smoothing"]))
    launches = [Launch(kernel("losses", call.dtype, vector), grid, threads, (*pointers, *numbers))]
    if way != 2:
        launches.append(Launch(kernel("total_loss", call.dtype), 1, _THREADS, (*pointers, *numbers)))
    reason = f"{n} classes: {threads} threads for each row, {grid} blocks, {vector} logits at once"
    return Plan("rows", reason, tuple(launches), scratch=0 if way == 2 else max(rows, 1) * 8)
