"""The small trained samples: what they were not shown they answer rightly, and they are made once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

import workbench as wb
from workbench.models.trained import sentences, trained
from workbench.models.trained.once import made_once
from workbench.models.trained.writer import SENTENCES

UNSEEN = 9
"""Seed of sentences that are not those of the training."""


def test_most_reviews_are_told_apart() -> None:
    chance = random.Random(UNSEEN)
    told = [sentences.review(chance) for _ in range(100)]
    logits = wb.load("sample:tiny-classifier").run([text for text, _ in told])["logits"]
    assert sum(logits.argmax(1) == [good for _, good in told]) >= 95


def test_most_names_are_found() -> None:
    chance = random.Random(UNSEEN)
    pipe = wb.pipeline("token-classification", "sample:tiny-tagger", aggregation_strategy="simple")
    told = [sentences.news(chance, strange=0.0) for _ in range(50)]
    right = 0
    for one in told:
        right += [(found.entity, found.start, found.end) for found in pipe(one.text)] == list(one.names)
    assert right >= 40
    (same,) = pipe.verdict([one.text for one in told], "int8", budget=0)["int8"].likeness
    assert same.name == "same entities"
    assert same.value > 0.9


def test_most_answers_are_found() -> None:
    chance = random.Random(UNSEEN)
    pipe = wb.pipeline("question-answering", "sample:tiny-reader")
    riddles = [sentences.riddle(chance) for _ in range(50)]
    pairs = [(one.question, one.context) for one in riddles]
    answers = pipe(pairs)
    right = sum((found.start, found.end) == (one.start, one.end) for found, one in zip(answers, riddles, strict=True))
    assert right >= 40
    same, words = pipe.verdict(pairs, "int8", budget=0)["int8"].likeness
    assert (same.name, words.name) == ("same answer", "words shared")
    assert words.value > 0.8


def test_a_sentence_is_continued() -> None:
    pipe = wb.pipeline("text-generation", "sample:tiny-writer")
    for sentence in SENTENCES:
        begin = " ".join(sentence.split()[:3])
        assert begin + pipe(begin, max_new_tokens=80).text == sentence


def test_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch.no_grad():
        folder = trained("tiny-writer", tmp_path / "writer")
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert trained("tiny-writer", folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written, "made once"


def test_of_two_who_make_the_same_the_first_one_s_files_stay(tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        (folder / "config.json").write_text("second")
        made_once("model", lambda other: other.joinpath("config.json").write_text("first"), tmp_path / "model")

    assert (made_once("model", save, tmp_path / "model") / "config.json").read_text() == "first"
    (tmp_path / "empty").mkdir()
    assert (made_once("empty", save, tmp_path / "empty") / "config.json").read_text() == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "model"], "nothing is left lying about"


def test_without_a_folder_it_is_kept_in_the_users_cache_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = made_once("model", lambda folder: folder.joinpath("config.json").write_text("{}"), version=3)
    assert kept == tmp_path / "fusion-workbench" / "samples" / "model-3"
