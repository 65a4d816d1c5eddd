"""What may be asked of a text: prompts, options and their limits, and what is said of the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

import workbench as wb
from workbench.errors import InputError, TruncationWarning
from workbench.pipelines.generation.prompts import PromptReader
from workbench.pipelines.generation.writer import Writer
from workbench.pipelines.pipeline import pipeline

from . import generator

SENTENCES = generator.SENTENCES
STARTS = generator.STARTS
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["torch", "onnxruntime"])
def pipe(causal: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with pipeline("text-generation", causal, engine=request.param) as made:
        assert made.engine.name == request.param
        yield made


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "begin"),
        ([], "Give a str"),
        (7, "Give a str"),
        ({"role": "user"}, "Give a str"),
        (["fine", 7], "Prompt 1 of 2 is int"),
        ([{"role": "user"}], "'content'"),
        ([{"role": "king", "content": "!"}], "only user and assistant speak"),
        ("\ud800", "half of a pair of surrogates"),
        ("one two " * 200, "has positions for 128"),
    ],
)
def test_what_is_no_prompt_is_said(causal: Path, prompt: Any, says: str) -> None:
    model = wb.load(causal)
    model.module.generation_config.bos_token_id = None
    with pipeline("text-generation", model, engine="torch") as pipe, pytest.raises(InputError, match=says):
        pipe(prompt)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_new_tokens": 0}, "whole number from 1"),
        ({"max_new_tokens": 2.5}, "whole number"),
        ({"max_new_tokens": True}, "whole number"),
        ({"temperature": 0}, "do_sample=False"),
        ({"temperature": float("nan")}, "above 0"),
        ({"top_p": 1.5}, "up to 1"),
        ({"top_k": -1}, "from 0"),
        ({"seed": -1}, "from 0"),
        ({"stop": [""]}, "not empty"),
        ({"stop": 3}, "string"),
        ({"do_sample": 1}, "True nor False"),
        ({"do_sample": False, "top_k": 3}, "no effect"),
        ({"max_new_tokens": 2, "min_new_tokens": 3}, "more than"),
        ({"max_length": 7}, "max_new_tokens"),
        ({"num_beams": 2}, "one after the other"),
        ({"temprature": 1}, "Did you mean 'temperature'"),
    ],
)
def test_what_is_no_option_is_said(pipe: Any, options: dict[str, Any], says: str) -> None:
    for ask in (pipe, pipe.stream):
        with pytest.raises(InputError, match=says):
            ask("Once", **options)


def test_a_tokenizer_in_python_does_as_well() -> None:
    reader = PromptReader(transformers.ByT5Tokenizer(), "bytes", None)
    ids = list(reader.read("Füße 🦊", {}).ids)
    assert reader.decode(ids) == "Füße 🦊"
    writer = Writer(reader.decode)
    assert "".join([*map(writer.write, ids), writer.end()]) == "Füße 🦊"


def test_tokens_that_the_model_does_not_have_are_said() -> None:
    words = generator.tokenizer()
    reader = PromptReader(words, "the model", None, vocabulary=max(words("Once")["input_ids"]))
    assert reader.read("O", {}).ids
    with pytest.raises(InputError, match="belongs to another model"):
        reader.read("Once", {})


def test_options_of_the_pipeline_hold_for_calls_that_do_not_say(causal: Path) -> None:
    with pipeline("text-generation", causal, temperature=2.5, seed=4, max_new_tokens=9) as pipe:
        drawn = pipe(STARTS[0])
        assert pipe(STARTS[0], seed=4) == drawn
        assert drawn.tokens <= 9
        assert STARTS[0] + pipe(STARTS[0], do_sample=False, max_new_tokens=50).text == SENTENCES[0]
        with pipe.reopened(engine="torch", temperature=None, seed=None, max_new_tokens=50) as other:
            assert other.engine.name == "torch"
            assert STARTS[0] + other(STARTS[0]).text == SENTENCES[0]


def test_the_model_s_own_configuration_holds(causal: Path, tmp_path: Path) -> None:
    shutil.copytree(causal, tmp_path / "own")
    path = tmp_path / "own" / "generation_config.json"
    comma = generator.tokenizer().encode(",")[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_new_tokens": 6, "eos_token_id": [1, comma]}))
    with pipeline("text-generation", tmp_path / "own") as pipe:
        assert pipe(STARTS[0]).tokens <= 6
        assert pipe("One, two").text == ""
        assert pipe("One, two").finish == "stop"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_new_tokens": 60, "stop_strings": ["dark"]}))
    with pipeline("text-generation", tmp_path / "own") as pipe:
        assert STARTS[0] + pipe(STARTS[0]).text == SENTENCES[0].partition("dark")[0]
        assert pipe(STARTS[0], stop="fox").text == pipe(STARTS[0]).text.partition("fox")[0]


def test_a_text_ends_where_the_positions_do(pipe: Any) -> None:
    long = SENTENCES[3] + " " + SENTENCES[0]
    with pytest.warns(TruncationWarning, match="positions for"):
        found = pipe(long, max_new_tokens=200, min_new_tokens=100)
    words = generator.tokenizer()
    assert len(words(long)["input_ids"]) + found.tokens == generator.LONGEST
    assert found.finish == "length"
