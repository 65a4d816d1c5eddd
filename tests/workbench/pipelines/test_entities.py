"""Names in texts: unseen ones, joined as transformers joins them, and the same in windows as in one piece."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

import workbench as wb
from workbench.errors import InputError
from workbench.pipelines.results import Entities, Entity

from .trained import LABELS, LONGEST, made_up

STRATEGIES = ["none", "simple", "first", "average", "max"]


@pytest.fixture(scope="module")
def pipe(tagger: Path) -> Any:
    return wb.pipeline("token-classification", tagger)


def test_unseen_names_are_found_by_their_sound(pipe: Any, tagger: Path) -> None:
    draw = random.Random(5)
    sounds = [[made_up(draw, kind) for kind in ("PER", "PER", "LOC")] for _ in range(100)]
    texts = [f"late at noon {one.title()}, and dr {other}, left {place.upper()}" for one, other, place in sounds]
    for strategy in ("first", "average"):
        found = pipe(texts, aggregation_strategy=strategy)
        right = [
            [(one.word.lower(), one.entity) for one in names] == list(zip(made, ("PER", "PER", "LOC"), strict=True))
            for names, made in zip(found, sounds, strict=True)
        ]
        assert np.mean(right) >= 0.8, strategy
    exact = wb.pipeline("token-classification", tagger, quantization="int8")
    same = [
        [(one.start, one.end, one.entity) for one in ours] == [(one.start, one.end, one.entity) for one in theirs]
        for ours, theirs in zip(pipe(texts), exact(texts), strict=True)
    ]
    assert np.mean(same) >= 0.95, "int8 finds the same"


def test_one_text_gives_its_entities_and_many_a_list_of_them(pipe: Any) -> None:
    text = "They live in Dogubo, mr  Lamira!"
    found = pipe(text)
    assert isinstance(found, Entities)
    assert found.text == text
    assert [(one.word, one.entity, one.start, one.end) for one in found] == [
        ("Dogubo", "LOC", 13, 19),
        ("Lamira", "PER", 25, 31),
    ]
    assert all(isinstance(one, Entity) and 0.5 < one.score <= 1 for one in found)
    assert pipe([text, "nothing of note"]) == [found, []]
    frame = pipe([text, text]).to_pandas()
    assert (list(frame.columns), len(frame)) == (["text", "word", "entity", "score", "start", "end"], 4)


def agree(ours: list[Entity], theirs: list[dict[str, Any]], text: str) -> None:
    """Check that both found the same, up to what float32 leaves open."""
    assert [(one.start, one.end, one.entity) for one in ours] == [
        (one["start"], one["end"], one.get("entity", one.get("entity_group"))) for one in theirs
    ]
    assert [one.word for one in ours] == [text[one["start"] : one["end"]] for one in theirs]
    assert [one.score for one in ours] == pytest.approx([float(one["score"]) for one in theirs], abs=1e-5)


TEXTS = [
    "Mr Lamira flew to Bagoku-Doru at noon, then back.",
    "we met Karimo and Nelavi Reno in Totaru; nothing (of note) was said.",
    "x",
    "from  Bado\tto Kela with 3 letters & mr Noru's train, late...",
]


def test_each_strategy_joins_as_transformers_does(pipe: Any, tagger: Path) -> None:
    theirs = transformers.pipeline("token-classification", str(tagger))
    for strategy, text in product(STRATEGIES, TEXTS):
        for ignored in (["O"], [], ["PER", "B-PER"]):
            expected = theirs(text, aggregation_strategy=strategy, ignore_labels=ignored)
            agree(pipe(text, aggregation_strategy=strategy, ignore_labels=ignored), expected, text)


def random_tagger(folder: Path, tokenizer: Tokenizer, names: list[str]) -> Path:
    """Save a tagger with random weights, whose labels change from token to token."""
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
        id2label=dict(enumerate(names)),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertForTokenClassification(config).save_pretrained(folder)
    make: Any = transformers.PreTrainedTokenizerFast
    make(tokenizer_object=tokenizer, model_max_length=64, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


def test_labels_in_any_order_are_joined_as_transformers_does(tagger: Path, tmp_path: Path) -> None:
    names = ["O", "B-PER", "I-PER", "I-LOC", "MISC", "S-MISC", "B-LOC"]
    folder = random_tagger(tmp_path, Tokenizer.from_file(str(tagger / "tokenizer.json")), names)
    pipe, theirs = wb.pipeline("ner", folder), transformers.pipeline("token-classification", str(folder))
    for strategy in STRATEGIES:
        for text in TEXTS:
            expected = theirs(text, aggregation_strategy=strategy, ignore_labels=["O", "MISC"])
            agree(pipe(text, aggregation_strategy=strategy, ignore_labels=["O", "MISC"]), expected, text)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_a_tokenizer_that_knows_no_words_takes_what_stands_between_blanks(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["[PAD]", "[UNK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    folder = random_tagger(tmp_path, tokenizer, LABELS)
    pipe, theirs = wb.pipeline("ner", folder), transformers.pipeline("token-classification", str(folder))
    for text in (TEXTS[0], "Zoë met Ðor in “Köln”"):
        for strategy in STRATEGIES:
            agree(pipe(text, aggregation_strategy=strategy), theirs(text, aggregation_strategy=strategy), text)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_what_the_tokenizer_does_not_know_begins_a_word(tmp_path: Path) -> None:
    letters = sorted(set("".join(TEXTS)))
    tokenizer = Tokenizer(
        models.Unigram([("[PAD]", 0.0), ("[UNK]", 0.0), ("\u2581", -2.0), *((one, -3.0) for one in letters)], unk_id=1)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    folder = random_tagger(tmp_path, tokenizer, LABELS)
    pipe, theirs = wb.pipeline("ner", folder), transformers.pipeline("token-classification", str(folder))
    for text in ("in Pa\U0001f600ris and \U0001f680 in Rom\U0001f600", TEXTS[0]):
        for strategy in STRATEGIES:
            options = {"aggregation_strategy": strategy, "ignore_labels": []}
            agree(pipe(text, **options), theirs(text, **options), text)


def test_a_long_text_is_read_in_windows_that_lose_and_double_nothing(pipe: Any) -> None:
    draw = random.Random(2)
    parts, expected, length = [], [], 0
    for _ in range(40):
        name, place = made_up(draw, "PER"), made_up(draw, "LOC")
        parts.append(f"mr {name} flew to {place} at noon .")
        expected += [(length + 3, name, "PER"), (length + 3 + len(name) + 9, place, "LOC")]
        length += len(parts[-1]) + 1
    text = " ".join(parts)
    assert len(pipe.tokens.encode([text])[0]) > 5 * LONGEST
    found = pipe(text, aggregation_strategy="average")
    hit = {(one.start, one.word, one.entity) for one in found} & set(expected)
    assert len(hit) >= 0.9 * len(expected)
    spans = [(one.start, one.end) for one in found]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    refusing = pipe.reopened(truncation="error")
    with pytest.raises(InputError, match="truncation='window'"):
        refusing(text)


@pytest.fixture(scope="module")
def blind(tagger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tagger that sees each token alone, neither its place nor its neighbours."""
    folder = tmp_path_factory.mktemp("blind")
    shutil.copytree(tagger, folder, dirs_exist_ok=True)
    module = transformers.AutoModelForTokenClassification.from_pretrained(tagger)
    with torch.no_grad():
        module.bert.embeddings.position_embeddings.weight.zero_()
        for layer in module.bert.encoder.layer:
            layer.attention.output.dense.weight.zero_()
            layer.attention.output.dense.bias.zero_()
        module.classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
    module.save_pretrained(folder)
    return folder


WORDS = st.lists(st.sampled_from(["mr", "met", "zog", "at", "train", "left", "x", "noon"]), min_size=15, max_size=40)


@settings(max_examples=25, deadline=None)
@given(WORDS, st.integers(0, 20), st.sampled_from(STRATEGIES))
def test_where_a_label_needs_no_neighbours_windows_change_nothing(
    blind: Path, words: list[str], stride: int, strategy: str
) -> None:
    whole, windowed = Pipes.of(blind), Pipes.of(blind, stride)
    text = " ".join(words)
    ours, expected = windowed(text, aggregation_strategy=strategy), whole(text, aggregation_strategy=strategy)
    assert [(one.start, one.end, one.entity) for one in ours] == [(one.start, one.end, one.entity) for one in expected]
    assert [one.score for one in ours] == pytest.approx([one.score for one in expected], abs=1e-5)


class Pipes:
    """Pipelines that hypothesis needs again and again."""

    opened: dict[Any, Any] = {}  # noqa: RUF012

    @classmethod
    def of(cls, folder: Path, stride: int | None = None) -> Any:
        key = folder, stride
        if key not in cls.opened:
            cls.opened[key] = wb.pipeline("ner", folder, stride=stride)
            cls.opened[key].tokens.longest = 128 if stride is None else 32
        return cls.opened[key]


def test_options_that_are_none_are_refused(pipe: Any, tagger: Path) -> None:
    with pytest.raises(InputError, match=r"aggregation_strategy='mean' is none of 'none', 'simple'"):
        pipe("x", aggregation_strategy="mean")
    with pytest.raises(InputError, match="ignore_labels must be a list of labels"):
        pipe("x", ignore_labels="O")
    with pytest.raises(InputError, match="ignore_labels must be a list of labels"):
        wb.pipeline("ner", tagger, ignore_labels=None)
    with pytest.raises(InputError, match="this task takes no pairs"):
        pipe(("x", "y"))
    for stride in (-1, 1.5, True):
        with pytest.raises(InputError, match="stride must be a whole number"):
            wb.pipeline("ner", tagger, stride=stride)
    with pytest.raises(InputError, match="stride=128 tokens cannot be shared by two windows of 128"):
        wb.pipeline("ner", tagger, stride=128)
