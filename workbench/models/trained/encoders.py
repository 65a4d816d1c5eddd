"""The small encoders: a classifier, a tagger and a reader."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers

from . import sentences
from .training import save, train
from .words import word_tokenizer

_LONGEST = 128
_SHOWN = 400
"""Sentences whose words the tokenizer learns."""
KINDS = ("PER", "LOC", "ORG")

Rows = dict[str, Any]


def save_classifier(folder: Path) -> None:
    """Train good against bad."""
    chance = random.Random(0)
    tokenizer = word_tokenizer((sentences.review(chance)[0] for _ in range(_SHOWN)), _LONGEST)

    def rows() -> Rows:
        told = [sentences.review(chance) for _ in range(32)]
        encoded = tokenizer([text for text, _ in told], padding=True, return_tensors="pt")
        return {**encoded, "labels": torch.tensor([int(good) for _, good in told])}

    save(
        folder,
        train(lambda: transformers.BertForSequenceClassification(_config(tokenizer, ("bad", "good"))), rows, 80),
        tokenizer,
    )


def save_tagger(folder: Path) -> None:
    """Train names of people, places and companies."""
    chance = random.Random(0)
    labels = ("O", *(f"{place}-{kind}" for kind in KINDS for place in "BI"))
    tokenizer = word_tokenizer((sentences.news(chance, strange=0.0).text for _ in range(_SHOWN)), _LONGEST)

    def rows() -> Rows:
        told = [sentences.news(chance) for _ in range(32)]
        encoded = tokenizer([one.text for one in told], padding=True, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping").tolist()
        wanted = [
            [_label(one, begin, end, labels) for begin, end in places]
            for one, places in zip(told, offsets, strict=True)
        ]
        return {**encoded, "labels": torch.tensor(wanted)}

    save(
        folder, train(lambda: transformers.BertForTokenClassification(_config(tokenizer, labels)), rows, 160), tokenizer
    )


def save_reader(folder: Path) -> None:
    """Train spans that answer a question."""
    chance = random.Random(0)
    shown = [sentences.riddle(chance) for _ in range(_SHOWN)]
    tokenizer = word_tokenizer((f"{one.question} {one.context}" for one in shown), _LONGEST)

    def rows() -> Rows:
        told = [sentences.riddle(chance) for _ in range(24)]
        encoded = tokenizer(
            [one.question for one in told], [one.context for one in told], padding=True, return_tensors="pt"
        )
        spans = [
            (encoded.char_to_token(row, one.start, 1), encoded.char_to_token(row, one.end - 1, 1))
            for row, one in enumerate(told)
        ]
        starts, ends = (torch.tensor(side) for side in zip(*spans, strict=True))
        return {**encoded, "start_positions": starts, "end_positions": ends}

    save(folder, train(lambda: transformers.BertForQuestionAnswering(_config(tokenizer)), rows, 220), tokenizer)


def _label(one: sentences.Tagged, begin: int, end: int, labels: tuple[str, ...]) -> int:
    """Return the label of a token by its characters; that of a special token does not count."""
    if begin == end:
        return -100
    for kind, first, last in one.names:
        if first <= begin < last:
            return labels.index(f"{'B' if begin == first else 'I'}-{kind}")
    return 0


def _config(tokenizer: Any, labels: tuple[str, ...] | None = None) -> Any:
    named: dict[str, Any] = {}
    if labels is not None:
        named = {"id2label": dict(enumerate(labels)), "label2id": {label: place for place, label in enumerate(labels)}}
    return transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=_LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.06,  # with the usual 0.02 the reader takes twice as many steps to find its answers
        **named,
    )
