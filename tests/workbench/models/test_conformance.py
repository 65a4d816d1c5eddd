"""ONNX's own conformance suite: every model loads and is described, runs as on the bare session, and is right."""

from __future__ import annotations

from functools import cache

import pytest

from .conformance import KINDS, Case, Result, cases, known, run, table

EVERY = 23
"""``make test`` takes one of so many single nodes; it shares no factor with how the suite's variants are numbered."""


@cache
def sample() -> list[Case]:
    files = list(cases("simple", "pytorch-operator", "pytorch-converted"))
    return [*list(cases("node"))[::EVERY], *files[::4], *(one for one in cases("real") if "squeezenet" in one.name)]


def check(results: list[Result]) -> None:
    """All but those that are known give the suite's result, and ONNX Runtime's are its own."""
    unexpected = [f"{one.name}: {one.reason}" for one in results if not one.matches and not known(one.name)]
    assert not unexpected, "\n".join(unexpected)
    apart = [f"{one.name}: {one.bare}" for one in results if one.bare not in ("same", "random", "refuses")]
    assert not apart, "\n".join(apart)


def test_a_sample_of_every_kind() -> None:
    results = [run(case) for case in sample()]
    assert len(results) > 100
    assert {one.kind for one in results} == set(KINDS)
    assert {one.provider for one in results} >= {"cpu", "reference"}
    assert {one.bare for one in results} >= {"same", "refuses"}
    check(results)


def test_a_sample_on_the_reference_evaluator() -> None:
    results = [run(case, "reference") for case in sample()[::3]]
    assert {one.provider for one in results} == {"reference"}
    assert sum(one.matches for one in results) >= len(results) - 2


@pytest.mark.slow
def test_the_whole_suite(capsys: pytest.CaptureFixture[str]) -> None:
    results = [run(case) for case in cases()]
    with capsys.disabled():
        print("", table(results), sep="\n")
    assert len(results) > 2000
    check(results)
    assert sum(one.matches for one in results) >= 1950
    assert all(one.reason for one in results if not one.provider)
