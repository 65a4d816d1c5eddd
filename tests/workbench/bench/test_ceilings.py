"""The ceilings of this machine: what is measured, and how a race is held against it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fused_kernels.catalog import Cost
from workbench.bench.rooflines.ceilings import Bandwidth, Ceilings, measure

MADE_UP = Ceilings(
    threads=2,
    bandwidths=(
        Bandwidth("read", "L1", 1000, 500, 8e9),
        Bandwidth("scale", "L1", 1000, 500, 4e9),
        Bandwidth("read", "DRAM", None, 10_000, 2e9),
        Bandwidth("scale", "DRAM", None, 10_000, 1e9),
        Bandwidth("stream", "DRAM", None, 10_000, 1.5e9),
    ),
    flops={"float32": 1e12, "float64": 1e3},
)


@pytest.mark.parametrize(
    ("cost", "dtype", "seconds"),
    [
        (Cost(400, 400, 1), "float32", 800 / 4e9),
        (Cost(1000, 1000, 1), "float32", 2000 / 1.5e9),
        (Cost(4000, 8, 1), "float32", 4008 / 2e9),
        (Cost(400, 400, 500), "float64", 0.5),
    ],
    ids=["in the cache", "beyond it the better way to write", "reading alone", "arithmetic"],
)
def test_the_least_seconds_are_those_of_the_narrower_way(cost: Cost, dtype: str, seconds: float) -> None:
    assert MADE_UP.seconds(cost, dtype) == pytest.approx(seconds)


def test_of_two_measurements_the_higher_counts() -> None:
    disturbed = replace(
        MADE_UP,
        bandwidths=tuple(replace(one, bytes_per_second=one.bytes_per_second / 2) for one in MADE_UP.bandwidths),
        flops={"float32": 2e12, "float64": 1.0},
    )
    best = disturbed.or_higher(MADE_UP)
    assert best == MADE_UP.or_higher(disturbed)
    assert best.bandwidths == MADE_UP.bandwidths
    assert best.flops == {"float32": 2e12, "float64": 1e3}


def test_ceilings_survive_json() -> None:
    assert Ceilings.from_dict(json.loads(json.dumps(MADE_UP.to_dict()))) == MADE_UP


def test_ceilings_in_words() -> None:
    first, head, l1, dram, *flops = repr(MADE_UP).splitlines()
    assert first == "Ceilings of 2 threads"
    assert head.split() == ["read", "scale", "stream"]
    assert (l1.split()[0], dram.split()[-2:]) == ("L1", ["1.50", "GB/s"])
    assert flops[0] == "fma in float32: 1.00 TFLOP/s"


def test_this_machine_is_measured_from_its_first_cache_to_its_memory() -> None:
    found = measure()
    levels = list(dict.fromkeys(one.level for one in found.bandwidths))
    assert levels[-1] == "DRAM"
    assert len(levels) >= 2
    assert {(one.level, one.kind) for one in found.bandwidths} >= {("DRAM", "stream"), (levels[0], "read")}
    assert all(one.bytes_per_second > 1e8 for one in found.bandwidths)
    # Chains of fused multiply-adds in vectors: even a slow core does a thousand million a second.
    assert found.flops["float32"] > found.flops["float64"] > 1e9
