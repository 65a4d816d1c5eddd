"""A race in words: who won, by how much and how sure that is; and the conditions under it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.text import decimals, format_seconds, format_sizes

from .race import Race, Ratio, Result

_NAMES = {"numpy": "NumPy", "onnxruntime": "ONNX Runtime", "cupy": "CuPy", "jax": "JAX", "triton": "Triton"}
_NAMES |= {"liger": "Liger", "fused-cupy": "fused on CuPy"}

UNCHECKED = "nothing"
"""The truth of a race whose results were not to be compared."""


def verdict(race: Race) -> str:
    """Return the :func:`sentences` as one text."""
    return " ".join(sentences(race))


def sentences(race: Race) -> list[str]:
    """Return who won in one sentence, and one more for each wrong result and for a disturbed race.

    ``numba is 16 times faster than NumPy, and 5.1 times faster than torch.`` The others that are named are NumPy and
    the best of the rest; those that the interval does not tell from the winner share the first place.
    """
    right = [result for result in race.results if result.right]
    wrong = [result for result in race.results if not result.right]
    told = [_ranking(race, right)] if right else ["No contender computes the right result."]
    told += [f"{spelled(result.contender)} {result.fault} and is out of the competition." for result in wrong]
    if race.conditions.get("disturbed"):
        told.append("Other programs took part of the machine meanwhile, so repeat it when they rest.")
    return told


def conditions_text(race: Race) -> str:
    """Return one line: intervals, error against the truth, first call, cache and ``out=``, rounds, load."""
    conditions = race.conditions
    right = [result for result in race.results if result.right]
    parts = []
    if right:
        rivals = _rivals(race, right)
        if rivals:
            intervals = [race.speedup(right[0].contender, over=rival.contender) for rival in rivals]
            parts.append(f"95 % interval{'s' * (len(intervals) > 1)} {_and(map(_interval, intervals))}")
        if conditions["truth"] == UNCHECKED:
            parts.append("results not compared")
        else:
            parts.append(accuracy(max(result.error for result in right), conditions["truth"]))
        parts.append(f"first call {format_seconds(right[0].first_call)}")
    parts += [f"time of the {conditions['device']}"] if "device" in conditions else []
    parts.append(f"{conditions['cache']} cache, {_out(race)}")
    parts.append(f"{conditions['rounds']} rounds interleaved")
    parts += [f"load {conditions['load']:.1f}"] if conditions.get("load") is not None else []
    parts += _warnings(race)
    return " · ".join(parts)


def race_text(race: Race) -> str:
    """Return the verdict, the conditions and a table, as plain text."""
    beside = beside_columns(race)
    rows = [("contender", "median", "95 % interval", *beside, "error", "first call")]
    for result in race.results:
        low, high = (format_seconds(end) for end in result.interval)
        error = f"{result.error:.1e}" if result.right else "wrong"
        rows.append(
            (
                result.contender,
                format_seconds(result.median),
                f"{low} to {high}",
                *(beside_cells(race, result) if beside else ()),
                error,
                format_seconds(result.first_call),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{race.op}, {format_sizes(race.shape)} {race.dtype}", race.verdict, race.conditions_text, ""]
    lines += ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    lines += [f"{name}: {reason}" for name, reason in race.absent.items()]
    return "\n".join(lines)


def beside_columns(race: Race) -> tuple[str, ...]:
    """Return the headings of what the host's clock tells of a race on a GPU; none for one on the CPU."""
    if all(result.on_device is None for result in race.results):
        return ()
    return ("to launch", "waited for", "as a graph", *(("of a copy",) if _moves(race) else ()))


def beside_cells(race: Race, result: Result) -> tuple[str, ...]:
    """Return what stands under :func:`beside_columns` for a contender."""
    known = result.on_device
    times = (None, None, None) if known is None else tuple(map(known.median, ("host", "waited", "graph")))
    share = copy_share(race, result)
    cells = tuple("" if time is None else format_seconds(time) for time in times)
    return (*cells, *(("" if share is None else f"{share:.0%}",) if _moves(race) else ()))


def copy_share(race: Race, result: Result) -> float | None:
    """Return at which share of a copy's bandwidth a contender moves what has to cross the bus of a GPU's memory.

    None where that is not known, as on the CPU, for the user's functions and for what stays in the second-level cache.
    """
    if not _moves(race):
        return None
    cost = race.conditions["cost"]
    return float((cost["bytes_read"] + cost["bytes_written"]) / result.median / race.conditions["copy"])


def _moves(race: Race) -> bool:
    conditions = race.conditions
    if not conditions.get("copy") or "cost" not in conditions:
        return False
    cost = conditions["cost"]
    return bool(conditions["cache"] == "cold" or cost["bytes_read"] + cost["bytes_written"] > 2 * conditions["l2"])


def _ranking(race: Race, right: list[Result]) -> str:
    best = right[0]
    if len(right) == 1:
        time = format_seconds(best.median)
        return f"{spelled(best.contender)} takes {time} a call; there is no other to compare it with."
    ratios = {rival.contender: race.speedup(best.contender, over=rival.contender) for rival in right[1:]}
    tied = [name for name, ratio in ratios.items() if not _wins(ratio)]
    if not tied:
        comparisons = [
            f"{_times(ratios[rival.contender].value)} faster than {spelled(rival.contender)}"
            for rival in _rivals(race, right)
        ]
        return f"{spelled(best.contender)} is {', and '.join(comparisons)}."
    first = _and(map(spelled, [best.contender, *tied]))
    rivals = [rival for rival in _rivals(race, right) if rival.contender not in tied]
    if not rivals:
        return f"There is no difference between {first}: the interval of their ratio contains 1."
    comparisons = [
        f"{_times(ratios[rival.contender].value)} faster than {spelled(rival.contender)}" for rival in rivals
    ]
    return f"There is no difference between {first}; {spelled(best.contender)} is {', and '.join(comparisons)}."


def _rivals(race: Race, right: list[Result]) -> list[Result]:
    """Return those that the winner is compared with: NumPy, and the best of the others that it is told apart from."""
    best, others = right[0], right[1:]
    numpy = [rival for rival in others if rival.contender == "numpy"]
    rest = [rival for rival in others if rival.contender != "numpy"]
    apart = [rival for rival in rest if _wins(race.speedup(best.contender, over=rival.contender))]
    return numpy + (apart or rest)[:1]


def _wins(ratio: Ratio) -> bool:
    return ratio.low > 1.0


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio < 1.995 else f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def _interval(ratio: Ratio) -> str:
    low, high = (f"{end:.{decimals(max(end, 1))}f}" for end in (ratio.low, ratio.high))
    return f"{low}\N{EN DASH}{high}"


def _out(race: Race) -> str:
    writers = race.conditions["out"]
    if not writers:
        return "new results"
    if len(writers) == len(race.results):
        return "out="
    return f"out= ({', '.join(map(spelled, writers))})"


def _warnings(race: Race) -> list[str]:
    awaited = "the GPU waited for the CPU" if "device" in race.conditions else "threads waited for a core"
    samples = sum(len(result.seconds) for result in race.results)
    unsettled = race.conditions.get("unsettled", 0)
    stolen = race.conditions.get("stolen") or 0.0
    starved = race.conditions.get("starved", 0)
    retaken, pace = race.conditions.get("retaken", 0), race.conditions.get("pace", 0.0)
    return [
        *([f"{unsettled} of {samples} samples beside a running thread"] if unsettled else []),
        *([f"{retaken} samples taken again, since {awaited}"] if retaken > samples / 20 else []),
        *([f"in {starved} of {samples} samples the GPU waited for the CPU"] if starved else []),
        *([f"the processor's speed varied by {pace:.0%}"] if pace >= 0.1 else []),
        *([f"{stolen:.0%} of the time taken by the host"] if stolen >= 0.01 else []),
    ]


def accuracy(error: float, truth: str) -> str:
    """Return how near results are to the truth.

    >>> accuracy(3.2e-7, "float64"), accuracy(0.0, "float64")
    ('right to 3e-7 of float64', 'the same as float64')
    """
    return f"right to {error:.0e} of {truth}".replace("e-0", "e-") if error else f"the same as {truth}"


def spelled(contender: str) -> str:
    """Return how people write a contender's name."""
    return _NAMES.get(contender, contender)


def _and(words: Iterable[Any]) -> str:
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else str(last)
