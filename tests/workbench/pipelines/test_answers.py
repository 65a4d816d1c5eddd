"""Answers in contexts: to unseen stories, as torch scores them, and the same in windows as in one piece."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import InputError
from workbench.pipelines.results import Answer, Results

from ..alike import same  # noqa: TID252
from .trained import FACTS, FILLERS, LONGEST, story

WHO, WHEN, WHERE, *_ = FACTS


@pytest.fixture(scope="module")
def pipe(finder: Path) -> Any:
    return wb.pipeline("question-answering", finder)


def stories(count: int) -> list[tuple[str, str, str]]:
    """Return questions with contexts and answers; a quarter of them have none."""
    draw, found = random.Random(7), []
    for place in range(count):
        told = draw.sample(list(FACTS), 3)
        context, answers = story(told, draw, draw.randint(0, 5))
        asked = draw.choice(told) if place % 4 else draw.choice([one for one in FACTS if one not in told])
        found.append((asked, context, answers.get(asked, "")))
    return found


def test_unseen_stories_are_answered_by_each_engine_and_what_they_lack_is_said(finder: Path) -> None:
    asked = stories(200)
    pairs = [(question, context) for question, context, _ in asked]
    answers = {}
    for name, options in {"float32": {}, "int8": {"quantization": "int8"}, "torch": {"engine": "torch"}}.items():
        pipe = wb.pipeline("question-answering", finder, handle_impossible_answer=True, **options)
        answers[name] = pipe(pairs)
        right = [answer.text == text for answer, (_, _, text) in zip(answers[name], asked, strict=True)]
        assert np.mean(right) >= 0.9, name
        for answer, (_, context, _) in zip(answers[name], asked, strict=True):
            assert answer.text == context[answer.start : answer.end]
    for name, least in (("int8", 0.95), ("torch", 1.0)):
        same = [a.text == b.text for a, b in zip(answers["float32"], answers[name], strict=True)]
        assert np.mean(same) >= least, name


def test_questions_are_given_by_name_or_in_pairs(pipe: Any) -> None:
    context = "The shop is open. Dr Anna. Old harbour."
    answer = pipe(question=WHO, context=context)
    assert (answer.text, answer.start, answer.end) == ("Dr Anna", 18, 25)
    assert isinstance(answer, Answer)
    assert 0.5 < answer.score <= 1
    assert pipe((WHO, context)) == answer
    several = pipe([(WHO, context), [WHERE, context]])
    assert isinstance(several, Results)
    assert [one.text for one in several] == ["Dr Anna", "Old harbour"]
    assert pipe(question=[WHO, WHERE], context=context) == several
    assert pipe(question=[WHO, WHERE], context=[context, context]) == several
    assert pipe(question=WHO, context=[context]) == [answer]
    assert asyncio.run(pipe.arun(question=WHO, context=context)) == answer
    with wb.pipeline("question-answering", pipe.model, batching=wb.BatchConfig(4, 5)) as batched:
        assert [one.text for one in batched(question=[WHO, WHERE] * 3, context=context)] == [
            "Dr Anna",
            "Old harbour",
        ] * 3


def test_several_answers_come_best_first_and_none_twice(pipe: Any) -> None:
    context = "dr anna. people came and went. mrs clara. nobody said a word."
    found = pipe(question=WHO, context=context, top_k=5)
    assert isinstance(found, Results)
    assert {one.text for one in found[:2]} <= {"dr anna", "mrs clara", "dr anna. people came and went. mrs clara"}
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1 + 1e-6
    assert len({(one.start, one.end) for one in found}) == len(found) == 5
    assert all(one.text == context[one.start : one.end] for one in found)
    short = pipe(question=WHO, context=context, top_k=5, max_answer_len=2)
    assert {len(one.text.replace(".", " .").split()) for one in short} <= {1, 2}
    assert len(pipe(question=WHO, context="dr anna", top_k=50)) <= 3
    many = pipe(question=[WHO, WHO], context=context, top_k=2)
    assert [len(one) for one in many] == [2, 2]


def test_no_answer_is_one_of_the_answers_where_it_is_asked_for(pipe: Any) -> None:
    context = "nobody said a word. old harbour."
    assert pipe(question=WHO, context=context).text != ""
    nothing = pipe(question=WHO, context=context, handle_impossible_answer=True)
    assert (nothing.text, nothing.start, nothing.end) == ("", 0, 0)
    assert nothing.score > 0.5
    assert "" in [one.text for one in pipe(question=WHERE, context=context, top_k=20, handle_impossible_answer=True)]
    assert "" not in [one.text for one in pipe(question=WHERE, context=context, top_k=20)]


def test_scores_are_the_products_of_begin_and_end_over_the_context_and_no_answer(pipe: Any, finder: Path) -> None:
    """The rule of transformers' pipeline before version 5, written out: softmax over [CLS] and the context."""
    module = transformers.AutoModelForQuestionAnswering.from_pretrained(finder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(finder)
    for question, context, _ in stories(12):
        tokens = tokenizer(question, context, return_tensors="pt")
        with torch.no_grad():
            logits = module(**tokens)
        taking_part = np.array([one == 1 for one in tokens.sequence_ids(0)])
        taking_part[0] = True
        begin, end = (
            torch.softmax(torch.where(torch.from_numpy(taking_part), one[0], -torch.inf), 0).numpy()
            for one in (logits.start_logits, logits.end_logits)
        )
        none = begin[0] * end[0]
        begin[0] = end[0] = 0
        products = np.triu(np.outer(begin, end)) - np.triu(np.outer(begin, end), 15)
        first, last = np.unravel_index(products.argmax(), products.shape)
        best = context[tokens.token_to_chars(int(first)).start : tokens.token_to_chars(int(last)).end]
        if (
            len(best.split(". ")) == 1 and products.max() > 0.5
        ):  # whole words, of which all the score is the best span's
            ours = pipe(question=question, context=context)
            assert ours.text == best
            assert ours.score == pytest.approx(products.max(), abs=0.02)
        ours = pipe(question=question, context=context, top_k=100, handle_impossible_answer=True)
        assert next(one.score for one in ours if not one.text) == pytest.approx(none, abs=1e-5)


def test_an_answer_is_found_anywhere_in_a_long_context(pipe: Any) -> None:
    draw = random.Random(3)
    for share in (0.0, 0.13, 0.5, 0.87, 1.0):
        sentences = [draw.choice(FILLERS) for _ in range(150)]
        sentences.insert(int(share * 150), "Mrs Clara")
        context = ". ".join(sentences) + "."
        assert len(pipe.tokens.encode([(WHO, context)])[0]) > 5 * LONGEST
        answer = pipe(question=WHO, context=context)
        assert (answer.text, answer.start) == ("Mrs Clara", context.index("Mrs Clara"))
    context = ". ".join(draw.choice(FILLERS) for _ in range(150))
    assert pipe(question=WHO, context=context, handle_impossible_answer=True).text == ""


@pytest.fixture(scope="module")
def blind(finder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that sees each token alone, neither its place nor the others."""
    folder = tmp_path_factory.mktemp("blind")
    shutil.copytree(finder, folder, dirs_exist_ok=True)
    module = transformers.AutoModelForQuestionAnswering.from_pretrained(finder)
    with torch.no_grad():
        module.bert.embeddings.position_embeddings.weight.zero_()
        for layer in module.bert.encoder.layer:
            layer.attention.output.dense.weight.zero_()
            layer.attention.output.dense.bias.zero_()
    module.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def windowed(blind: Path) -> Any:
    return wb.pipeline("question-answering", blind, window=40, stride=8)


@pytest.fixture(scope="module")
def whole(blind: Path) -> Any:
    return wb.pipeline("question-answering", blind)


WORDS = [*" ".join(word for words in FACTS.values() for word in words).split(), "shop", "rained", "day", "it"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=100),
    st.integers(0, 24),
    st.integers(1, 8),
    st.booleans(),
)
def test_where_logits_need_no_neighbours_windows_change_nothing(
    windowed: Any, whole: Any, words: list[str], stride: int, longest: int, impossible: bool
) -> None:
    context = " ".join(words)
    windowed.stride = stride
    options = {"top_k": 3, "max_answer_len": longest, "handle_impossible_answer": impossible}
    ours = windowed(question=WHEN, context=context, **options)
    expected = whole(question=WHEN, context=context, **options)
    assert [one.score for one in ours] == pytest.approx([one.score for one in expected], rel=1e-3)
    # which of two equal ones comes first is open
    for one, other in zip(ours, expected, strict=True):
        assert one.text == context[one.start : one.end]
        assert one == other or one.score == pytest.approx(other.score, rel=1e-3)


def test_question_and_context_may_come_in_this_order(pipe: Any) -> None:
    context = "nobody said a word. dr anna. it rained all day."
    asked = pipe(question=WHO, context=context)
    assert same(pipe(WHO, context), asked)
    assert same(pipe((WHO, context)), asked)
    assert same(asyncio.run(pipe.arun(WHO, context)), asked)


def test_what_is_no_question_is_refused(pipe: Any, finder: Path) -> None:
    context = "dr anna. " * 60
    for arguments, says in (
        ({}, "Got nothing"),
        ({"question": WHO}, "Got no context"),
        ({"context": WHO}, "Got no question"),
        ({"pairs": WHO}, "Question 0 of 1 has no context"),
        ({"pairs": [(WHO, context)], "context": context}, "question or context as well"),
        ({"pairs": 3}, "Got int"),
        ({"question": [WHO, WHO], "context": [context] * 3}, "2 questions and 3 contexts"),
        ({"question": 3, "context": context}, "question: Got int"),
        ({"question": WHO, "context": " \n"}, "The context is blank"),
        ({"pairs": [(WHO, context), (WHO, "\u200b")]}, r"Text 1 of 2 has a context that gives no token: .\\u200b"),
        ({"pairs": [(WHO, context), ("", context)]}, "Of pair 1 of 2 the question is blank"),
        (
            {"question": "when " * 110, "context": context},
            "leaves no room for its text: of the 128 tokens of a window, 113 go to the question",
        ),
        ({"question": WHO, "context": context, "max_answer_len": 0}, "max_answer_len must be"),
        ({"question": WHO, "context": context, "top_k": 0}, "top_k must be"),
    ):
        with pytest.raises(InputError, match=says):
            pipe(**arguments)
    with pytest.raises(InputError, match="has 186 tokens, and the model takes at most 128"):
        pipe.reopened(truncation="error")(question="who came?", context=context)
    with pytest.raises(InputError, match="window must be"):
        wb.pipeline("question-answering", finder, window=0)
