"""What is easily given in place of texts, and options that are nearly right: taken rightly, or refused with advice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import InputError

TEXT = "the hotel was lovely"
PAIR = ("who came?", "dr anna came.")
REFUSED: list[tuple[Any, str]] = [
    (np.array(TEXT), r"ndarray without axes \(\.item\(\) gives what is in it\)"),
    (str, "Got type as a"),
    (pd.DataFrame({"texts": [TEXT]}), r"Got a DataFrame as a .*one of its columns: table\['name'\]"),
    ({TEXT, "a kind walk"}, r"a set, which has no order .* sorted\(\.\.\.\)"),
    (memoryview(b"abc"), "must be decoded first"),
    ([TEXT, b"abc"], "1 of 2 is bytes, which must be decoded first"),
    ([TEXT, float("nan")], "1 of 2 is float"),
    (pd.Series([TEXT, None], dtype="string"), "1 of 2 is NAType"),
]


@pytest.fixture(scope="module", params=["classifier", "tagger", "finder", "causal", "embedder"])
def pipe(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a pipeline of each task."""
    tasks = {
        "classifier": "text-classification",
        "tagger": "token-classification",
        "finder": "question-answering",
        "causal": "text-generation",
        "embedder": "feature-extraction",
    }
    folder = request.getfixturevalue("classifier" if request.param == "embedder" else request.param)
    options = {"max_new_tokens": 1} if request.param == "causal" else {}
    with wb.pipeline(tasks[request.param], folder, **options) as opened:
        yield opened


@pytest.mark.parametrize(("given", "says"), REFUSED, ids=[f"{place}" for place in range(len(REFUSED))])
def test_what_is_no_text_is_refused_by_each_task(pipe: Any, given: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        pipe(given)


def test_half_a_character_is_refused_by_each_task(pipe: Any) -> None:
    bad = (PAIR[0], "a\ud800b") if pipe.task == "question-answering" else "a\ud800b"
    with pytest.raises(InputError, match=r"has '\\ud800' at 1, half of a pair of surrogates.*Mend it"):
        pipe(bad)


def test_what_can_be_gone_through_is_taken_in_its_order(pipe: Any) -> None:
    texts: list[Any] = [PAIR, PAIR] if pipe.task == "question-answering" else [TEXT, "a kind walk"]
    expected = pipe(texts)
    for given in (iter(texts), pd.Series(texts), pd.Index(texts, tupleize_cols=False)):
        for found, wanted in zip(pipe(given), expected, strict=True):
            if isinstance(wanted, np.ndarray):
                np.testing.assert_allclose(found, wanted, atol=1e-5)
            else:
                assert str(found).split("score")[0] == str(wanted).split("score")[0]


def test_a_question_given_as_a_dict_is_told_how(finder: Path) -> None:
    with (
        wb.pipeline("question-answering", finder) as pipe,
        pytest.raises(InputError, match=r"Got dict .* pipe\(question='...', context='...'\)"),
    ):
        pipe({"question": PAIR[0], "context": PAIR[1]})  # type: ignore[call-overload]


def test_texts_in_an_array_are_compared_as_texts(classifier: Path) -> None:
    with wb.pipeline("feature-extraction", classifier) as pipe:
        texts = [TEXT, "a kind walk"]
        np.testing.assert_allclose(pipe.similarity(np.array(texts)), pipe.similarity(texts), atol=1e-5)
        np.testing.assert_allclose(pipe.similarity(np.array(texts, object)), pipe.similarity(texts), atol=1e-5)
        with pytest.raises(InputError, match="Text 0 of 2 is int"):
            pipe.similarity(np.array([1, 2], object))


@pytest.mark.parametrize(
    ("task", "options", "says"),
    [
        ("text-classification", {"function_to_apply": ["softmax"]}, r"\['softmax'\] is none of 'softmax'"),
        ("text-classification", {"progress": 3}, "such as progress=print; got 3"),
        ("text-classification", {"engine": np.array(["torch", "auto"])}, "There is 'auto', 'onnxruntime', 'torch'"),
        ("feature-extraction", {"normalize": "yes"}, "normalize='yes' is neither True nor False"),
    ],
)
def test_options_that_are_nearly_right(classifier: Path, task: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        wb.pipeline(task, classifier, **options)


def test_a_wait_that_no_clock_has_is_refused() -> None:
    with pytest.raises(InputError, match="0 or more and finite"):
        wb.BatchConfig(max_wait_ms=10**400)


def test_a_configuration_that_names_no_architecture_is_told_where(classifier: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((classifier / name).read_bytes())
    settings = (tmp_path / "config.json").read_text().replace('"architectures"', '"others"')
    (tmp_path / "config.json").write_text(settings)
    with pytest.raises(InputError, match=r"names no architecture.*ForSequenceClassification: \"architectures\""):
        wb.pipeline("text-classification", tmp_path)
