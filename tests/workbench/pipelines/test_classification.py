"""Labels of texts: on sentences that the model has not seen, against transformers, and by every kind of head."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import workbench as wb
from workbench.errors import InputError

from .trained import BAD, GOOD

UNSEEN = ["at last the {} was here", "nothing but {}", "he said: {}, {} and {}.", "was it a {} week?"]


def unseen(count: int) -> list[tuple[str, str]]:
    """Return sentences of other forms than those of the training, with their labels."""
    draw = random.Random(1)
    pairs = []
    for _ in range(count):
        label, words = draw.choice((("good", GOOD), ("bad", BAD)))
        form = draw.choice(UNSEEN)
        pairs.append((form.format(*draw.choices(words, k=form.count("{}"))), label))
    return pairs


def test_good_and_bad_are_told_apart_on_unseen_sentences_by_each_engine(classifier: Path) -> None:
    texts, labels = zip(*unseen(200), strict=True)
    answers = {}
    for name, options in {"float32": {}, "int8": {"quantization": "int8"}, "torch": {"engine": "torch"}}.items():
        pipe = wb.pipeline("text-classification", classifier, **options)
        answers[name] = pipe(list(texts))
        right = np.mean([answer.label == label for answer, label in zip(answers[name], labels, strict=True)])
        assert right >= 0.97, name
    for name in ("int8", "torch"):
        same = [a.label == b.label for a, b in zip(answers["float32"], answers[name], strict=True)]
        assert np.mean(same) >= 0.99, name


def with_head(classifier: Path, folder: Path, labels: int, **config: Any) -> Path:
    """Return a copy with another head."""
    settings = transformers.AutoConfig.from_pretrained(classifier, num_labels=labels, **config)
    torch.manual_seed(1)
    module = transformers.AutoModelForSequenceClassification.from_config(settings)
    with torch.no_grad():
        module.classifier.weight.mul_(20)
    module.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(classifier / name, folder)
    return folder


@pytest.mark.parametrize(
    ("labels", "kind", "activation"),
    [
        (3, None, "softmax"),
        (3, "single_label_classification", "softmax"),
        (3, "multi_label_classification", "sigmoid"),
        (1, None, "sigmoid"),
        (1, "regression", "none"),
        (2, "regression", "none"),
    ],
)
def test_each_kind_of_head_is_scored_as_transformers_does(
    classifier: Path, tmp_path: Path, labels: int, kind: str | None, activation: str
) -> None:
    folder = with_head(classifier, tmp_path, labels, problem_type=kind)
    pipe = wb.pipeline("text-classification", folder)
    assert pipe.function_to_apply == activation
    texts = ["the hotel was lovely", "a poor phone", "what a dull, dull day"]
    theirs = transformers.pipeline("text-classification", str(folder))
    for ours, expected in zip(pipe(texts), theirs(texts), strict=True):
        assert (ours.label, ours.score) == (expected["label"], pytest.approx(expected["score"], abs=1e-5))
    for ours, expected in zip(pipe(texts, top_k=5), theirs(texts, top_k=None), strict=True):
        assert [one.label for one in ours] == [one["label"] for one in expected]
        assert [one.score for one in ours] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_pairs_of_texts_are_told_apart_by_their_types(classifier: Path, tmp_path: Path) -> None:
    folder = with_head(classifier, tmp_path, 3)
    pipe = wb.pipeline("text-classification", folder)
    theirs = transformers.pipeline("text-classification", str(folder))
    pairs = [("the hotel was lovely", "a bad walk"), ("a bad walk", "the hotel was lovely")]
    expected = [theirs({"text": first, "text_pair": second}, top_k=None) for first, second in pairs]
    for found in (
        pipe(pairs, top_k=3),
        [pipe(pair, top_k=3) for pair in pairs],
        pipe([list(pair) for pair in pairs], top_k=3),
    ):
        for ours, wanted in zip(found, expected, strict=True):
            assert [one.score for one in ours] == pytest.approx([one["score"] for one in wanted], abs=1e-5)
    with pytest.warns(UserWarning, match="last 78 were left out"):
        long = pipe(("the hotel was lovely " * 50, "a bad walk"), top_k=3)
    assert sum(one.score for one in long) == pytest.approx(1, abs=1e-5)


def test_how_many_labels_and_which_activation_can_be_chosen(classifier: Path) -> None:
    pipe = wb.pipeline("text-classification", classifier, top_k=2, function_to_apply="sigmoid")
    best, other = pipe("a lovely walk")
    assert best.label == "good"
    assert best.score > other.score
    assert best.score + other.score != pytest.approx(1, abs=1e-3)
    assert [one.label for one in pipe("a lovely walk", top_k=1)] == ["good"]
    for wrong in (0, -1, 2.0, True, "all"):
        with pytest.raises(InputError, match="top_k must be a whole number"):
            pipe("a lovely walk", top_k=wrong)
    with pytest.raises(InputError, match="function_to_apply='relu' is none of"):
        wb.pipeline("text-classification", classifier, function_to_apply="relu")


def test_labels_without_names_are_numbered(classifier: Path, tmp_path: Path) -> None:
    shutil.copytree(classifier, tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    assert wb.pipeline("text-classification", tmp_path / "own")("a lovely walk").label == "LABEL_1"
