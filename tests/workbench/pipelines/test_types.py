"""What editors and type checkers know of a pipeline: mypy holds each assert_type, and the values are of these types."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import workbench as wb
from workbench.models.formats.huggingface import FORMAT
from workbench.pipelines import arguments
from workbench.pipelines.feature_extraction import FeatureExtraction
from workbench.pipelines.question_answering import QuestionAnswering
from workbench.pipelines.results import Answer, Classification, Entities, Generation, Results
from workbench.pipelines.task import Pipeline
from workbench.pipelines.text_classification import TextClassification
from workbench.pipelines.text_generation import TextGeneration
from workbench.pipelines.token_classification import TokenClassification

Array = np.ndarray[Any, Any]


def test_labels(classifier: Path) -> None:
    with wb.pipeline("text-classification", classifier, truncation="error") as pipe:
        found = pipe("a kind walk")
        assert_type(found, Classification)
        assert_type(found.label, str)
        assert_type(pipe(("a kind walk", "it was")), Classification)
        assert_type(pipe(["a kind walk"]), Results[Classification])
        assert_type(asyncio.run(pipe.arun("a kind walk")), Classification)
        assert_type(asyncio.run(pipe.arun(["a kind walk"])), Results[Classification])
        assert isinstance(found, Classification)
        assert isinstance(pipe(["a kind walk"]), Results)
    with wb.pipeline("sentiment-analysis", classifier, top_k=2) as several:
        assert_type(several("a kind walk"), Results[Classification])
        assert_type(several(["a kind walk"]), Results[Results[Classification]])
        assert isinstance(several("a kind walk"), Results)
        assert isinstance(several(["a kind walk"])[0], Results)


def test_names(tagger: Path) -> None:
    with wb.pipeline("ner", tagger) as pipe:
        found = pipe("mr bako flew", aggregation_strategy="max")
        assert_type(found, Entities)
        assert_type(found[0].word, str)
        assert_type(pipe(["mr bako flew"]), Results[Entities])
        assert_type(asyncio.run(pipe.arun("mr bako flew")), Entities)
        assert isinstance(found, Entities)
        assert isinstance(pipe(["mr bako flew"])[0], Entities)


def test_answers(finder: Path) -> None:
    pair = ("who came?", "dr anna came.")
    with wb.pipeline("question-answering", finder) as pipe:
        found = pipe(question=pair[0], context=pair[1])
        assert_type(found, Answer)
        assert_type(pipe(pair, max_answer_len=3), Answer)
        assert_type(pipe(*pair), Answer)
        assert_type(pipe([pair]), Results[Answer])
        assert_type(asyncio.run(pipe.arun(pair)), Answer)
        assert isinstance(found, Answer)
        assert isinstance(pipe([pair])[0], Answer)
    with wb.pipeline("question-answering", finder, top_k=2) as several:
        assert_type(several(pair), Results[Answer])
        assert isinstance(several(pair), Results)


def test_embeddings(classifier: Path) -> None:
    with wb.pipeline("feature-extraction", classifier) as pipe:
        assert_type(pipe("a kind walk"), Array)
        assert_type(pipe(["a kind walk"]), Array)
        assert_type(asyncio.run(pipe.arun("a kind walk")), Array)
        assert isinstance(pipe(["a kind walk"]), np.ndarray)
    with wb.pipeline("embeddings", classifier, pooling="none") as tokens:
        assert_type(tokens("a kind walk"), Array)
        assert_type(tokens(["a kind walk"]), list[Array])
        assert isinstance(tokens(["a kind walk"]), list)


def test_texts(causal: Path) -> None:
    with wb.pipeline("text-generation", causal, max_new_tokens=2) as pipe:
        found = pipe("the")
        assert_type(found, Generation)
        assert_type(pipe(["the"]), Results[Generation])
        assert_type(asyncio.run(pipe.arun("the")), Generation)
        assert isinstance(found, Generation)
        assert isinstance(pipe(["the"]), Results)
        for piece in pipe.stream("the"):
            assert_type(piece, str)


def test_a_task_that_is_known_when_it_runs_only(classifier: Path) -> None:
    task: str = "text-classification"
    with wb.pipeline(task, classifier) as pipe:
        assert_type(pipe, Pipeline)
        assert isinstance(pipe, TextClassification)


@pytest.mark.parametrize(
    ("task", "named", "beside"),
    [
        (TextClassification, arguments.Classifying, {"top_k"}),
        (TokenClassification, arguments.Tagging, set()),
        (QuestionAnswering, arguments.Answering, {"top_k"}),
        (FeatureExtraction, arguments.Embedding, {"pooling"}),
        (TextGeneration, arguments.Writing, set()),
    ],
)
def test_the_names_are_those_that_the_classes_take(task: type[Pipeline], named: Any, beside: set[str]) -> None:
    assert set(named.__annotations__) - set(arguments.Shared.__annotations__) | beside == set(task.options())


def test_the_names_of_all_tasks_are_those_of_opening_and_loading() -> None:
    parameters = inspect.signature(wb.pipeline).parameters.values()
    opening = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert set(arguments.Shared.__annotations__) == opening | {option.name for option in FORMAT.options}
