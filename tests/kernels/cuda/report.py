"""What a machine with an NVIDIA GPU says of the kernels: are they right, do they touch what they must not, how fast.

    python3 tests/kernels/cuda/report.py            # all, under ten minutes
    python3 tests/kernels/cuda/report.py contract   # or some parts: contract, ring, bars, sanitizer

It needs a Python with NumPy, Numba, and torch or CuPy or both; no environment of ours. The table goes to the terminal,
all numbers to `gpu.json` in the folder ``$OUT``, or the current one. The exit status tells of wrong results alone: a
bar that is missed is a line of the table. Each part has its time, and says what it did not reach.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "kernels"), str(ROOT)]

import numpy as np  # noqa: E402 (the paths come first)

import fused_kernels as fk  # noqa: E402
from workbench import errors  # noqa: E402

PARTS = {"contract": 180.0, "ring": 220.0, "bars": 470.0, "sanitizer": 570.0}
"""Seconds from the beginning until which each part may take, if all are asked for; one alone may take all of them."""
LIMIT = PARTS["sanitizer"]
ROWS = ("softmax", "log_softmax", "layer_norm", "add_layer_norm", "rms_norm", "l2_normalize")
# A unit in the last place, and what an operation adds to it by more than one rounding.
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 0.0, "float64": 0.0}
BY_LIBRARIES = ("matmul", "linear", "cosine_similarity")


class Side(NamedTuple):
    """One library of arrays.

    Parameters
    ----------
    name
        Of it.
    dtypes
        In which it has arrays.
    make
        ``make(array, dtype)``: an array on the GPU out of one on the CPU; integers stay (dtype None).
    get
        The values, as float64 on the CPU.
    wait
        Until the GPU has done all.
    """

    name: str
    dtypes: tuple[str, ...]
    make: Callable[[Any, str | None], Any]
    get: Callable[[Any], Any]
    wait: Callable[[], None]


class Finding(NamedTuple):
    """What one case came to."""

    side: str
    operation: str
    dtype: str
    case: str
    form: str
    worst: float
    """The error in units of what is allowed: up to 1 is right."""
    failure: str


def sides() -> Iterator[Side]:
    """Yield the libraries that are here and see a GPU."""
    try:
        import torch

        if torch.cuda.is_available():
            yield Side(
                "torch",
                ("float32", "float64", "float16", "bfloat16"),
                lambda x, dtype: torch.from_numpy(x).to(device="cuda", dtype=dtype and getattr(torch, dtype)),
                lambda x: x.double().cpu().numpy(),
                torch.cuda.synchronize,
            )
    except ImportError:
        pass
    try:
        import cupy

        if cupy.cuda.is_available():
            yield Side(
                "CuPy",
                ("float32", "float64", "float16"),
                lambda x, dtype: cupy.asarray(x).astype(dtype or x.dtype),
                lambda x: cupy.asnumpy(x).astype(np.float64),
                cupy.cuda.runtime.deviceSynchronize,
            )
    except ImportError:
        pass


def cases(small: bool) -> Iterator[tuple[str, tuple[int, ...], dict[str, Any]]]:
    """Yield operations, shapes and options, so that each kernel and each way to share the work is among them."""
    widths = ((37, 64), (9, 1001), (5, 4096), (3, 16385)) if small else ((1000, 64), (4097, 1001), (300, 4096))
    for name in ROWS:
        for shape in (*widths, *(() if small else ((300, 33_000), (3, 1_000_000), (1, 70_001), (5000, 3)))):
            yield name, shape, {}
        if name in ("softmax", "log_softmax", "l2_normalize"):
            yield name, (70, 33), {"axis": 0}
            yield name, (6, 50, 7), {"axis": 1}
    for op in fk.OPS.values():
        if hasattr(op.function, "formula") or op.name == "gelu":
            yield op.name, (33, 250) if small else (1025, 1000), {}
            yield op.name, (1003,) if small else (3_000_001,), {}
    for shape, axis in (((70_003,), None), ((40, 300), 0), ((40, 300), 1), ((5, 6, 7), (0, 2))):
        yield "sum_of_squares", shape, {"axis": axis}
    for reduction in ("mean", "sum", "none"):
        for smoothing in (0.0, 0.1):
            options = {"reduction": reduction, "label_smoothing": smoothing}
            yield "cross_entropy", (64, 1000) if small else (500, 32_000), options
    yield "mean_pool", (3, 20, 64) if small else (32, 128, 384), {}
    for activation in (None, "relu", "silu", "gelu", "gelu_tanh"):
        yield "linear", (33, 64, 48) if small else (512, 768, 768), {"activation": activation}
    yield "matmul", (33, 64, 48) if small else (512, 768, 768), {}
    yield "cosine_similarity", (20, 64, 30) if small else (200, 384, 300), {}


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "": lambda x: x,
    "every second row": lambda x: x[::2],
    "not aligned": lambda x: x.reshape(-1)[1 : 1 - x.shape[1]].reshape(-1, x.shape[1]),
}


def contract(side: Side, *, small: bool, until: float = float("inf")) -> Iterator[Finding | None]:
    """Yield whether each operation is right, in each dtype, on arrays of a library; None where no time was left."""
    asked = [(name, shape, dtype, options, "") for name, shape, options in cases(small) for dtype in side.dtypes]
    asked += [(name, (31, 1000), "float32", {}, layout) for name in ROWS for layout in LAYOUTS]
    for case in asked:
        yield None if time.time() > until else check(side, *case)


def check(side: Side, name: str, shape: tuple[int, ...], dtype: str, options: dict, layout: str = "") -> Finding:
    """Compare one call with the float64 truth of the values that the GPU was given."""
    op = fk.OPS[name]
    inputs = op.sample(shape, np.dtype(np.float32), np.random.default_rng(sum(shape))) | options
    view = LAYOUTS[layout]
    given: dict[str, Any] = {}
    for key, value in inputs.items():
        given[key] = value
        if isinstance(value, np.ndarray):
            given[key] = side.make(value, dtype if value.dtype.kind == "f" else None)
            given[key] = view(given[key]) if value.ndim == 2 and name in ROWS else given[key]
    truth_inputs = {}
    for key, value in given.items():
        array = isinstance(inputs[key], np.ndarray)
        wide = side.get(value) if array else value
        truth_inputs[key] = wide.astype(np.int64) if array and inputs[key].dtype.kind in "biu" else wide
    tolerance = op.tolerance["float64" if dtype == "float64" else "float32"]
    rounding = ROUNDING[dtype] * (4 if name in BY_LIBRARIES else 1)
    case = f"{shape} {options or ''} {layout}".strip()
    try:
        form = fk.explain(name, **given).form
        found = op.function(**given)
        side.wait()
    except Exception as error:  # to be told in the table, beside the cases that work
        return Finding(side.name, name, dtype, case, "", float("inf"), f"{type(error).__name__}: {error}"[:300])
    worst = 0.0
    truths = op.reference(**truth_inputs)
    for part, truth in zip(
        found if isinstance(found, tuple) else (found,), truths if isinstance(truths, tuple) else (truths,), strict=True
    ):
        allowed = max(tolerance.atol, rounding if name in BY_LIBRARIES else 0.0, 2.0**-24 if dtype == "float16" else 0)
        limit = allowed + (tolerance.rtol + rounding) * np.abs(truth)
        error = np.abs(side.get(part) - truth) / (limit + np.finfo(np.float64).tiny)
        worst = max(worst, float(np.max(error, initial=0.0)) if not np.isnan(error).any() else float("inf"))
    return Finding(side.name, name, dtype, case, form, worst, "" if worst <= 1 else f"{worst:.3g} of what is allowed")


def sanitized(until: float) -> tuple[dict[str, str], int]:
    """Return what compute-sanitizer's tools say of the small cases, and how many of them found something.

    One that is not there, or not done in time, says so and found nothing.
    """
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if tool is None:
        return {"memcheck": "compute-sanitizer is not installed"}, 0
    found, failed = {}, 0
    for name in ("memcheck", "racecheck", "synccheck"):
        command = [
            tool,
            "--tool",
            name,
            "--error-exitcode",
            "9",
            sys.executable,
            __file__,
            "contract",
            "--small",
            "--one",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=max(1.0, until - time.time())
            )
        except subprocess.TimeoutExpired:
            found[name] = "not done in time"
            continue
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "SUMMARY" in line or "Error:" in line]
        found[name] = lines[-1].strip("= ") if lines else f"exit status {done.returncode}"
        failed += done.returncode != 0
    return found, failed


def main() -> int:
    """Run the parts, print a table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--small", action="store_true", help="few and small cases, as for the sanitizer")
    parser.add_argument("--one", action="store_true", help="one library only")
    options = parser.parse_args()
    here = list(sides())
    if not here:
        print("There is no GPU that torch or CuPy can see.")
        return 2
    began, failed, path = time.time(), 0, Path(os.environ.get("OUT", ".")) / "gpu.json"
    told: dict[str, Any] = {"python": sys.version.split()[0], "sides": [side.name for side in here]}
    for part in options.parts or PARTS:
        until = began + (LIMIT if options.parts else PARTS[part])
        if part == "contract":
            told[part], wrong = contracts(here[: 1 if options.one else None], options.small, until)
        elif part == "ring":
            told[part], wrong = ring()
        elif part == "bars":
            told[part], wrong = barred(until)
        else:
            told[part], wrong = sanitized(until)
            print("".join(f"{name}: {text}\n" for name, text in told[part].items()), end="")
        failed += wrong
        told["seconds"] = round(time.time() - began, 1)
        if not options.small:  # after each part, so that one that dies takes no other's numbers with it
            path.write_text(json.dumps(told, indent=1, default=str))
    if not options.small:
        print(f"{told['seconds']} s; all numbers: {path}")
    return int(failed > 0)


def contracts(here: Iterable[Side], small: bool, until: float) -> tuple[list[Any], int]:
    """Print how many cases are right and which are not; return all, and how many are wrong."""
    asked = [each for side in here for each in contract(side, small=small, until=until)]
    found = [each for each in asked if each is not None]
    wrong = [each for each in found if each.failure]
    forms = sorted({each.form for each in found if each.form})
    left = f"; {len(asked) - len(found)} NOT REACHED in time" if len(asked) > len(found) else ""
    print(f"contract: {len(found) - len(wrong)} of {len(found)} cases are right{left}; forms: {', '.join(forms)}")
    for each in wrong:
        print(f"  {each.side} {each.operation} {each.dtype} {each.case} {each.form}: {each.failure}")
    return [each._asdict() for each in found], len(wrong)


def ring() -> tuple[Any, int]:
    """Print the round trips of ring kernels; return them, and 1 for a reply that is wrong, or for a failure."""
    script = importlib.util.spec_from_file_location(
        "gpu_report", ROOT / "tests" / "workbench" / "ring" / "gpu_report.py"
    )
    assert script is not None
    assert script.loader is not None
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    try:
        rows = module.rows()
    except Exception as error:  # the other parts go on
        print(f"ring: {type(error).__name__}: {error}")
        return str(error), int(not isinstance(error, errors.InputError))
    print(module.table(rows))
    return rows, 0


def barred(until: float) -> tuple[list[Any], int]:
    """Print what was reached and what was missed; return all races, and in how many our own result is wrong."""
    import bars

    found, told = [], []
    for cell, race in bars.measured("cuda", until):
        print(bars.table([(cell, race)]), flush=True)
        found.append(race)
        if isinstance(race, str):
            told.append({**cell._asdict(), "without": race})
        else:
            reached = [{**bar._asdict(), "reached": bar.reached} for bar in bars.judged(cell, race)]
            told.append({**cell._asdict(), "bars": reached, "race": race.to_dict()})
    return told, sum(map(bars.wrong, found))


if __name__ == "__main__":
    sys.exit(main())
