"""What this machine can do at the most: bytes moved by where they lie, and arithmetic by dtype, measured.

A share of a ceiling says how much faster an operation could become at all, whoever writes it. It is a share of what
small loops reach on all threads, in the same hour as the races; a data sheet's numbers are never reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Barrier
from typing import Any

import numpy as np

from fused_kernels.catalog import Cost
from workbench.bench.environment import Watch, caches
from workbench.bench.racing.memory import empty_aligned
from workbench.text import format_bytes, format_count

_SAMPLES = 9
_SAMPLE = 0.004
_USUAL_CACHES = {"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}
_GRAIN = 512
_KINDS = ("read", "copy", "scale", "stream")
_CURVE = ("read", "scale")


@dataclass(frozen=True)
class Bandwidth:
    """How fast data moves that lies in one level of the memory.

    Parameters
    ----------
    kind
        ``"read"``, ``"copy"``, ``"scale"`` (read, multiply, write) or ``"stream"`` (the same past the caches).
    level
        ``"L1"``, ``"L2"``, ``"L3"`` or ``"DRAM"``.
    capacity
        Bytes that the level holds for all threads; None for the last.
    nbytes
        Bytes read and written in one pass of the measurement.
    bytes_per_second
        Read and written, of all threads together.
    """

    kind: str
    level: str
    capacity: int | None
    nbytes: int
    bytes_per_second: float


@dataclass(frozen=True)
class Ceilings:
    """The ceilings of one machine.

    Parameters
    ----------
    threads
        How many threads they were measured with.
    bandwidths
        By kind and level, the nearest level first.
    flops
        Floating-point operations a second by dtype; a fused multiply-add is two.
    curve
        Reading, and scaling, over working sets from a part of the first cache to the memory, ascending.
    disturbed
        Whether other programs took part of the machine meanwhile: the true ceilings are then higher, up to twice.
    """

    threads: int
    bandwidths: tuple[Bandwidth, ...]
    flops: Mapping[str, float]
    curve: tuple[Bandwidth, ...] = ()
    disturbed: bool = False

    @property
    def levels(self) -> list[str]:
        """The levels of the memory, the nearest first."""
        return list(dict.fromkeys(one.level for one in self.bandwidths))

    def level(self, nbytes: float) -> str:
        """Return the level that holds a working set of ``nbytes``."""
        return next(one.level for one in self.bandwidths if one.capacity is None or nbytes <= one.capacity)

    def roof(self, level: str, *, kind: str = "scale") -> float:
        """Return bytes a second of one level; beyond the caches the better of two ways to write."""
        kinds = {kind, "stream"} if kind != "read" else {kind}
        return max(one.bytes_per_second for one in self.bandwidths if one.level == level and one.kind in kinds)

    def bandwidth(self, nbytes: float, *, kind: str = "scale") -> float:
        """Return bytes a second for a working set of ``nbytes``.

        It is the roof of its level, or what the curve has there if that is higher: of a working set a little larger
        than a cache, the cache still holds a part.
        """
        roof = self.roof(self.level(nbytes), kind=kind)
        larger = [one.bytes_per_second for one in self.curve if one.kind == kind and one.nbytes >= nbytes]
        return max([roof, *larger])

    def seconds(self, cost: Cost, dtype: str) -> float:
        """Return the seconds that ``cost`` takes at the least: those of its bytes or of its arithmetic."""
        return max(self.memory_seconds(cost), cost.flops / self.flops[dtype])

    def memory_seconds(self, cost: Cost) -> float:
        """Return the seconds that the bytes of ``cost`` take at the least."""
        # A result that is small beside what was read, as a sum is, does not slow the reading.
        kind = "read" if cost.bytes_written < cost.bytes_read / 20 else "scale"
        return cost.nbytes / self.bandwidth(cost.nbytes, kind=kind)

    def or_higher(self, other: Ceilings) -> Ceilings:
        """Return the higher of each pair: of two measurements the lower one was disturbed."""

        def higher(ours: tuple[Bandwidth, ...], theirs: tuple[Bandwidth, ...]) -> tuple[Bandwidth, ...]:
            pairs = zip(ours, theirs, strict=True)
            return tuple(max(pair, key=lambda one: one.bytes_per_second) for pair in pairs)

        return Ceilings(
            self.threads,
            higher(self.bandwidths, other.bandwidths),
            {dtype: max(rate, other.flops[dtype]) for dtype, rate in self.flops.items()},
            higher(self.curve, other.curve),
            self.disturbed and other.disturbed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; :meth:`from_dict` gives equal ceilings."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Ceilings:
        """Rebuild ceilings from :meth:`to_dict`."""
        bandwidths, curve = (
            tuple(Bandwidth(**one) for one in record.get(name, ())) for name in ("bandwidths", "curve")
        )
        return cls(record["threads"], bandwidths, dict(record["flops"]), curve, record.get("disturbed", False))

    def __repr__(self) -> str:
        rates = {(one.level, one.kind): f"{format_bytes(one.bytes_per_second)}/s" for one in self.bandwidths}
        levels = self.levels
        kinds = [kind for kind in _KINDS if any((level, kind) in rates for level in levels)]
        rows = [("", *kinds), *((level, *(rates.get((level, kind), "") for kind in kinds)) for level in levels)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"Ceilings of {self.threads} threads"]
        lines += ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        lines += [f"fma in {dtype}: {format_count(rate)}FLOP/s" for dtype, rate in self.flops.items()]
        lines += ["measured while other programs ran, so in truth they are higher"] if self.disturbed else []
        return "\n".join(lines)


def measure() -> Ceilings:
    """Measure the ceilings of this machine: two to six seconds, and memory of four times the last cache."""
    from fused_kernels.cpu import threads

    from . import loops as kernels

    count = threads.count()
    loops = {"read": kernels.read, "copy": kernels.copy, "scale": kernels.scale, "stream": kernels.streamed}
    factors = np.array([0.75, 1.25], np.float32)
    watch = Watch()
    with _Team(count) as team:

        def moved(nbytes: int, kinds: Sequence[str]) -> Iterator[tuple[str, int, float]]:
            size = max(nbytes // count // 2 // 4 // _GRAIN, 1) * _GRAIN
            arrays = [(_filled(size, 1.0), _filled(size, 0.0), factors) for _ in range(count)]
            for kind in kinds:
                once = count * size * 4 * (1 if kind == "read" else 2)
                yield kind, once, once / team.best(loops[kind], arrays)

        levels, bandwidths, curve = _levels(count), [], []
        for level, capacity, nbytes in levels:
            kinds = _KINDS if capacity is None else _KINDS[:-1]
            bandwidths += [Bandwidth(kind, level, capacity, once, rate) for kind, once, rate in moved(nbytes, kinds)]
        for nbytes in _ladder(levels):
            for kind, once, rate in moved(nbytes, _CURVE):
                level, capacity, _ = next(one for one in levels if one[1] is None or once <= one[1])
                curve.append(Bandwidth(kind, level, capacity, once, rate))
        flops = {}
        for dtype in (np.float32, np.float64):
            seconds = team.best(kernels.multiply_add, [(dtype(0.5),)] * count)
            flops[np.dtype(dtype).name] = 2 * count * kernels.CHAINS * kernels.lanes(dtype) / seconds
    return Ceilings(count, tuple(bandwidths), flops, tuple(curve), bool(watch.finish()["disturbed"]))


def _levels(threads: int) -> list[tuple[str, int | None, int]]:
    """Return each level with what it holds and the working set it is measured with, both in bytes for all threads."""
    sizes = caches() or _USUAL_CACHES
    # The first two are a core's own, the last is shared; half of each leaves room for what else lies there.
    held = {name: size * (1 if name == "L3" else threads) for name, size in sizes.items()}
    levels: list[tuple[str, int | None, int]] = [(name[:2], size, size // 2) for name, size in held.items()]
    return [*levels, ("DRAM", None, max(4 * max(held.values()), 64 << 20))]


def _ladder(levels: Sequence[tuple[str, int | None, int]]) -> list[int]:
    """Return bytes of working sets from a quarter of the first level to that of the last, each twice the one before."""
    first, last = levels[0][2] // 2, levels[-1][2]
    return [first << power for power in range((last // first).bit_length())]


def _filled(size: int, value: float) -> np.ndarray[Any, Any]:
    array = empty_aligned((size,), np.dtype(np.float32))
    array.fill(value)  # so that its pages exist
    return array


class _Team:
    """Threads that start a loop at the same moment; those of the kernels would be a part of what is measured."""

    def __init__(self, count: int) -> None:
        self._barrier = Barrier(count)
        self._threads = ThreadPoolExecutor(count)
        self._count = count

    def __enter__(self) -> _Team:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def best(self, loop: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> float:
        """Return the seconds of one repetition, the least that was seen: a ceiling is what is possible at all."""
        loop(1, *arguments[0])  # compiled
        repeats = 1
        while (seconds := self._timed(loop, repeats, arguments)) < _SAMPLE:
            repeats *= 2
        return min([seconds, *(self._timed(loop, repeats, arguments) for _ in range(_SAMPLES))]) / repeats

    def _timed(self, loop: Callable[..., Any], repeats: int, arguments: Sequence[tuple[Any, ...]]) -> float:
        def run(own: tuple[Any, ...]) -> tuple[float, float]:
            self._barrier.wait()
            begin = time.perf_counter()
            loop(repeats, *own)
            return begin, time.perf_counter()

        spans = list(self._threads.map(run, arguments))
        return max(end for _, end in spans) - min(begin for begin, _ in spans)
