"""Round trips to the persistent kernel of a machine with an NVIDIA GPU; a part of ``make gpu``.

    python3 tests/workbench/ring/gpu_report.py
    python3 tests/workbench/ring/gpu_report.py registers   # of each architecture; needs no GPU

It needs NumPy, NVIDIA's driver and its compiler, NVRTC; no environment of ours. What it says is returned by `rows`.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parents[3] / "kernels")]

from workbench.ring.backends import choose  # noqa: E402 (the paths come first)
from workbench.ring.cuda import round_trips  # noqa: E402

LEAST = 2.0
"""How many times faster than a launch that is waited for a message of 256 numbers must be answered."""


def rows(rounds: int = 30) -> list[dict[str, Any]]:
    """Time each way of each message, with each reply's checksum compared.

    Returns
    -------
    list of dict
        ``message``, ``way``, ``seconds`` (the median of a round trip), ``over_launch`` (times as fast as a launch that
        is waited for: the median of the ratios of each round), and ``met``: whether that is as much as is asked, None
        where nothing is.

    Raises
    ------
    workbench.errors.WorkbenchError, fused_kernels.errors.KernelError
        If there is no GPU that can, or a result is wrong.
    """
    choose("cuda")
    found = []
    for message in round_trips.questions():
        samples = round_trips.timed(message, rounds, 0, lambda number: None)
        launches = samples[round_trips.LAUNCH]
        for way, taken in samples.items():
            ratio = statistics.median(launch / one for launch, one in zip(launches, taken, strict=True))
            asked = (message, way) == (round_trips.NUMBERS, round_trips.RING)
            met = ratio >= LEAST if asked else None
            seconds = statistics.median(taken)
            found.append({"message": message, "way": way, "seconds": seconds, "over_launch": ratio, "met": met})
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    lines = [f"{'ring kernels':20}{'way':28}{'round trip':>12}{'over launch':>13}"]
    for row in found:
        said = {True: "  met", False: "  NOT met", None: ""}[row["met"]]
        time, ratio = f"{row['seconds'] * 1e6:.2f} us", f"{row['over_launch']:.2f}"
        lines.append(f"{row['message']:20}{row['way']:28}{time:>12}{ratio:>13}{said}")
    return "\n".join(lines)


def registers() -> str:
    """Return what the kernels need of a multiprocessor, as ptxas reports it."""
    from fused_kernels.cuda.compile import ARCHITECTURES, ENTRY, compiled, usages
    from fused_kernels.cuda.source import program
    from workbench.ring.cuda.program import kernel

    lines = [f"{'kernel':8}{'architecture':>14}{'registers':>11}{'shared':>8}{'spilled':>9}"]
    for name, made in (("ring", kernel()), ("once", kernel("once(a);", "OnceArguments"))):
        for architecture in ARCHITECTURES:
            use = usages(compiled(program([made], [ENTRY]), architecture).log)[ENTRY]
            lines.append(f"{name:8}{architecture:>14}{use.registers:11}{use.shared:8}{use.spilled:9}")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["registers"]:
        print(registers())
    else:
        print(choose("cuda").why)
        print(table(rows()))
