"""Verdicts on quantisation: measured on real models, decided by rules that are data, said in words."""

from __future__ import annotations

import dataclasses
import itertools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import workbench as wb
from workbench.bench.race import Ratio
from workbench.errors import ClosedError, InputError, RunError
from workbench.models import samples
from workbench.models.export.step import Step
from workbench.pipelines.results import Answer, Classification, Entities, Entity, Generation
from workbench.pipelines.verdict import BOUNDS, RULES, Verdict
from workbench.pipelines.verdict.likeness import at_least, likeness
from workbench.pipelines.verdict.rules import GRADES, find, grade

SPEEDS, SIZES, WORTH = ("faster", "as fast", "slower", "mixed"), ("smaller", "as large"), ("no", "maybe", "yes")
TEXTS = [
    f"The {thing} was {word}." for thing in ("soup", "room", "film") for word in ("good", "awful", "fresh", "dull")
]


@pytest.fixture(scope="module")
def classifier() -> Any:
    with wb.pipeline("text-classification", "sample:tiny-classifier") as pipe:
        yield pipe


@pytest.fixture(scope="module")
def verdict(classifier: Any) -> Verdict:
    found: Verdict = classifier.verdict(TEXTS, budget=0)
    return found


def test_each_candidate_is_measured_beside_the_original(classifier: Any, verdict: Verdict) -> None:
    assert [one.name for one in verdict.candidates] == ["as it is", "int8", "dynamic"]
    assert verdict.texts == len(TEXTS)
    assert verdict.original.nbytes == classifier.engine.nbytes
    assert verdict.conditions["rounds"] == 7
    for candidate in verdict.candidates:
        with classifier.reopened(quantization=candidate.quantization) as pipe:
            assert candidate.nbytes == pipe.engine.nbytes
            answers = pipe(TEXTS)
        assert [speed.what for speed in candidate.speeds] == ["together", "alone"]
        assert all(len(speed.seconds) == 7 and min(speed.seconds) > 0 for speed in candidate.speeds)
        if candidate is verdict.original:
            assert candidate.finding is None
            continue
        (same,) = candidate.likeness
        expected = [one.label == other.label for one, other in zip(answers, classifier(TEXTS), strict=True)]
        assert (same.name, same.value) == ("same label", np.mean(expected))
        assert candidate.finding is not None
        assert candidate.finding.rule in RULES
        assert candidate.finding.rule.applies(candidate.finding.grades)
        assert verdict[candidate.quantization] is candidate


def test_it_is_said_in_words_tables_and_a_picture(verdict: Verdict) -> None:
    for candidate in verdict.candidates[1:]:
        assert candidate.finding is not None
        assert candidate.finding.rule.because in str(verdict)
        assert candidate.sentence in repr(verdict)
    assert "12 texts" in verdict.heading
    assert list(verdict.to_pandas()["quantization"]) == ["as it is", "int8", "dynamic"]
    assert {"bytes", "together_gain_low", "same label", "worth"} <= set(verdict.to_pandas().columns)
    assert all(len(row) == len(verdict.columns) for row in verdict.rows)
    assert "int8" in verdict._repr_html_()
    assert "So few texts, 12, say little of others" in str(verdict)
    with pytest.raises(InputError, match="'int4' was not measured; these were: as it is, int8, dynamic"):
        verdict["int4"]


def test_the_pipe_s_own_batcher_and_quantisation_play_no_part(classifier: Any, verdict: Verdict) -> None:
    with classifier.reopened(quantization="int8", batching=wb.BatchConfig()) as pipe:
        found = pipe.verdict(TEXTS, "dynamic", budget=0)
        assert pipe.metrics.requests == 0
    assert [one.quantization for one in found.candidates] == [None, "dynamic"]
    assert found.original.nbytes == verdict.original.nbytes


def test_it_tells_how_far_it_is_and_can_be_ended(classifier: Any) -> None:
    steps: list[Step] = []

    def until_the_rounds(step: Step) -> None:
        steps.append(step)
        if step.text.startswith("round 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier.verdict(TEXTS, progress=until_the_rounds)
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
    assert steps[0].text == "opening as it is"
    assert any(step.text == "answers of int8" for step in steps)
    assert classifier(TEXTS[0]).label == "good"


def test_texts_that_were_cut_are_said_once(classifier: Any) -> None:
    long = " ".join(TEXTS * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = classifier.verdict([*TEXTS, long], "int8", budget=0)
    assert found.conditions["cut"]
    assert any("were cut, for all alike" in sentence for sentence in found.sentences)


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        ([], {}, "empty list"),
        ([3], {}, "Text 0 of 1 is int"),
        (TEXTS, {"quantizations": "int9"}, "Did you mean 'int8'"),
        (TEXTS, {"quantizations": ()}, "No quantisation is named"),
        (TEXTS, {"quantizations": 8}, "no quantization=8 for this. There is 'int8', 'dynamic'"),
        (TEXTS, {"budget": -1}, "0 or more; got -1"),
        (TEXTS, {"seed": 0.5}, "whole number"),
    ],
)
def test_what_cannot_be_weighed_is_refused(classifier: Any, texts: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        classifier.verdict(texts, **options)


def test_a_closed_pipeline_weighs_nothing(classifier: Any) -> None:
    pipe = classifier.reopened()
    pipe.close()
    with pytest.raises(ClosedError):
        pipe.verdict(TEXTS)


def test_what_cannot_be_quantised_says_so(classifier: Any) -> None:
    with classifier.reopened(engine="torch") as slow, pytest.raises(RunError, match=r"nothing to weigh: .*torch"):
        slow.verdict(TEXTS)


def test_texts_that_are_written_are_compared_until_they_part() -> None:
    prompts = ["Once upon a time", "One, two,", "A fused kernel"]
    with wb.pipeline("text-generation", "sample:tiny-writer", temperature=2.0) as writer:
        found = writer.verdict(prompts, budget=0)
        with pytest.raises(InputError, match=r"no quantization='dynamic' for this\. There is 'int8'\."):
            writer.verdict(prompts, "dynamic")
    assert [one.name for one in found.candidates] == ["as it is", "int8"]
    (parted,) = found["int8"].likeness
    assert parted.value > 0.5, "nothing was drawn"
    assert not found.absent
    first, second = Generation("a b c d", "", 4, "stop"), Generation("a b x d e", "", 5, "stop")
    (parted,) = likeness("text-generation", [first], [second])
    assert parted.value == pytest.approx(2 / 5)


@pytest.mark.skipif("minilm" not in samples.available(), reason="all-MiniLM-L6-v2 is not installed")
def test_int8_keeps_the_embeddings_of_a_real_encoder(tmp_path: Path) -> None:
    texts = [f"{text} {other}" for text, other in itertools.product(TEXTS, ("It rained.", "We left at noon."))]
    with wb.pipeline("feature-extraction", "sample:minilm") as pipe:
        found = pipe.verdict(texts, "int8", budget=0)
        with pipe.reopened(quantization="int8") as other:
            first, second = pipe(texts), other(texts)
    cosines = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    mean, least, nearest = found["int8"].likeness
    assert mean.value == pytest.approx(cosines.mean(), abs=1e-5)
    assert least.value == pytest.approx(cosines.min(), abs=1e-5)
    assert nearest.value > 0.8
    assert least.grade in ("same", "close")
    assert found["int8"].smaller > 3


def test_a_rule_applies_to_whatever_is_found_and_better_is_never_worth_less() -> None:
    def worth(speed: str, size: str, alike: str) -> int:
        grades = {"speed": speed, "size": size, "likeness": alike}
        return WORTH.index(next(rule for rule in RULES if rule.applies(grades)).worth)

    for speed, size in itertools.product(SPEEDS, SIZES):
        by_likeness = [worth(speed, size, alike) for alike in GRADES]
        assert by_likeness == sorted(by_likeness, reverse=True)
    for speed, alike in itertools.product(SPEEDS, GRADES):
        assert worth(speed, "smaller", alike) >= worth(speed, "as large", alike)
    for size, alike in itertools.product(SIZES, GRADES):
        assert worth("faster", size, alike) >= worth("as fast", size, alike) >= worth("slower", size, alike)


@pytest.mark.parametrize(
    ("smaller", "gains", "value", "worth", "words"),
    [
        (3.9, {"together": (2.0, 1.9, 2.1)}, 1.0, "yes", "worth it, since it gains time .*2.0 times faster together"),
        (3.9, {"together": (2.0, 0.9, 2.1)}, 1.0, "yes", "saves memory .*as fast together, 3.9 times smaller"),
        (3.9, {"together": (2.0, 1.9, 2.1), "alone": (0.5, 0.4, 0.6)}, 1.0, "maybe", "2.0 times slower alone"),
        (1.0, {"together": (1.0, 0.9, 1.1)}, 1.0, "no", "neither faster nor smaller"),
        (3.9, {"together": (2.0, 1.9, 2.1)}, 0.5, "no", "too many answers"),
    ],
)
def test_findings(smaller: float, gains: dict[str, Any], value: float, worth: str, words: str) -> None:
    labels = ["a"] * 10, ["a"] * int(10 * value) + ["b"] * int(10 - 10 * value)
    answers = [[Classification(label, 1.0) for label in side] for side in labels]
    found = find(
        smaller, {name: Ratio(*gain) for name, gain in gains.items()}, likeness("text-classification", *answers)
    )
    assert found.worth == worth
    assert re.search(words, found.text)


def test_entities_are_the_same_by_place_and_kind() -> None:
    ada, london = Entity("Ada", "PER", 0.9, 0, 3), Entity("London", "LOC", 0.9, 10, 16)
    wrong = Entity("London", "ORG", 0.9, 10, 16)
    text = "Ada is in London"
    (same,) = likeness("token-classification", [Entities(text, [ada, london])], [Entities(text, [london, ada])])
    assert (same.value, same.grade) == (1.0, "same")
    (half,) = likeness("token-classification", [Entities(text, [ada, london])], [Entities(text, [ada, wrong])])
    assert half.value == 0.5
    (none,) = likeness("token-classification", [Entities(text, [])], [Entities(text, [])])
    assert none.value == 1.0


def test_answers_are_compared_by_place_and_by_words() -> None:
    first = [Answer("in the red house", 5, 21, 0.9), Answer("", 0, 0, 0.8)]
    second = [Answer("the red house", 8, 21, 0.9), Answer("", 0, 0, 0.8)]
    same, words = likeness("question-answering", first, second)
    assert same.value == 0.5
    assert words.value == pytest.approx((2 * 3 / 7 + 1) / 2)


def test_embeddings_of_other_texts_are_found_out() -> None:
    first = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    same = likeness("feature-extraction", first, 3 * first)
    assert all(one.value == pytest.approx(1.0, abs=1e-6) and one.grade == "same" for one in same)
    other = likeness("feature-extraction", first, np.roll(first, 1, axis=0))
    assert all(one.grade == "far" for one in other)
    tokens = [row.reshape(2, 8) for row in first]
    without_pooling = likeness("feature-extraction", tokens, tokens)
    assert [one.name for one in without_pooling] == ["cosine, mean", "cosine, least"]
    assert without_pooling[1].value == pytest.approx(1.0)


@given(some.integers(1, 5000), some.data())
def test_what_a_sample_lets_expect_is_less_than_its_share(count: int, data: Any) -> None:
    same = data.draw(some.integers(0, count))
    bound = at_least(same, count)
    assert 0 <= bound <= same / count
    assert at_least(10 * same, 10 * count) >= bound
    assert at_least(min(same + 1, count), count) >= bound


@given(some.sampled_from(sorted(BOUNDS)), some.floats(0, 1), some.floats(0, 1))
def test_grades_rise_with_the_measure(name: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert GRADES.index(grade(name, low)) >= GRADES.index(grade(name, high))
    assert grade(name, 1.0) == "same"


def test_another_engine_s_part_in_the_gain_is_said(verdict: Verdict) -> None:
    assert not any("runs on" in sentence for sentence in verdict.sentences)
    slow = dataclasses.replace(verdict.original, engine="torch")
    other = dataclasses.replace(verdict, candidates=(slow, *verdict.candidates[1:]))
    assert "The model as it is runs on torch and int8 on onnxruntime" in str(other)
