"""Small models that were trained for a few seconds, so that their answers mean something; made once in a test session.

All are BERTs of two layers with tokenizers of their own, which know some words whole and spell all others in letters.
What they are asked in tests is not what they were trained on: other sentences of the same small language.
"""

from __future__ import annotations

import itertools
import os
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from filelock import FileLock
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LONGEST = 128
"""Tokens that they take."""
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

THINGS = ["film", "meal", "room", "journey", "book", "concert", "hotel", "garden", "lesson", "phone", "cake", "walk"]
GOOD = ["good", "great", "lovely", "fine", "superb", "charming", "pleasant", "excellent", "bright", "kind"]
BAD = ["bad", "awful", "boring", "poor", "dreadful", "ugly", "noisy", "rotten", "dull", "rude"]
REVIEWS = [
    "the {thing} was {word}",
    "a {word} {thing}, and the {thing} was {word} too",
    "i found the {thing} {word} and {word}",
    "what a {word} {thing}!",
    "{word}",
]

NEWS = [
    "mr {PER}", "{PER}", "dr {PER}", "in {LOC}", "to {LOC}", "{LOC}", "from {LOC}", "met", "live", "flew", "left",
    "and", "they", "late", "at noon", "a letter", "the train", "nothing of note",
]  # fmt: skip
SOUNDS = {"PER": ("lmnrv", "aei"), "LOC": ("bdgkt", "aou")}
MARKS = [" ", " ", " ", ", ", ". ", " - "]

FACTS = {
    "which person was it who came?": ("dr mr mrs miss", "anna boris clara david emma frank"),
    "when, on what day, at what time?": ("monday tuesday wednesday thursday", "morning noon evening night"),
    "where in town is that place?": ("old new upper lower", "harbour market station bridge church"),
    "how did it look, in what colour?": ("dark light pale deep", "red blue green yellow grey"),
    "how much money did they pay?": ("two three seven twelve forty", "coins dollars pounds stones"),
}
"""Questions, and the words of which an answer is made: one of the first, one of the second."""
FILLERS = ["the shop is open", "people came and went", "it rained all day", "nobody said a word", "music played on"]


def trained(name: str, factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model, which the first worker of a session that asks for it makes.

    Parameters
    ----------
    name
        ``"classifier"``, ``"tagger"`` or ``"finder"``.
    factory
        Pytest's, under whose root all workers of a session have a folder together.
    """
    root = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    target = root / f"trained-{name}"
    with FileLock(root / f"trained-{name}.lock"):
        if not target.exists():
            making = root / f"making-{name}"
            MAKERS[name](making)
            making.rename(target)
    return target


def classifier(folder: Path) -> None:
    """Make one that tells good from bad."""
    draw = random.Random(0)
    tokenizer = tokenizer_of([*THINGS, *GOOD, *BAD, *words_of(REVIEWS)])

    def batch() -> dict[str, torch.Tensor]:
        labels = [draw.randrange(2) for _ in range(32)]
        texts = [review(label, draw) for label in labels]
        return {**padded([tokenizer.encode(text) for text in texts]), "labels": torch.tensor(labels)}

    make(folder, transformers.BertForSequenceClassification, tokenizer, ["bad", "good"], batch, steps=45)


def review(good: int, draw: random.Random) -> str:
    """Return a sentence with words of one kind, and some that nobody knows, which must not matter."""
    text = draw.choice(REVIEWS)
    for name, words in {"thing": THINGS, "word": GOOD if good else BAD}.items():
        while f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", draw.choice(words), 1)
    unknown = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 6))) for _ in range(draw.randint(0, 3))]
    return " ".join([*unknown, text] if draw.random() < 0.5 else [text, *unknown])


def tagger(folder: Path) -> None:
    """Make one that finds persons and places by the sound of their names, which are made up, and new each time."""
    draw = random.Random(0)
    tokenizer = tokenizer_of(words_of(NEWS))

    def example() -> tuple[str, list[tuple[int, int, str]]]:
        text, spans = "", []
        for phrase in draw.choices(NEWS, k=draw.randint(1, 9)):
            before, _, kind = phrase.rstrip("}").partition("{")
            text += draw.choice(MARKS) * bool(text) + before
            if kind:
                name = " ".join(made_up(draw, kind) for _ in range(draw.choice((1, 1, 2))))
                spans.append((len(text), len(text) + len(name), kind))
                text += name
        return text + draw.choice(["", ".", "!"]), spans

    def batch() -> dict[str, torch.Tensor]:
        examples = [example() for _ in range(32)]
        encodings = [tokenizer.encode(text) for text, _ in examples]
        inputs = padded(encodings)
        labels = torch.full_like(inputs["input_ids"], -100)
        for row, (encoding, (_, spans)) in enumerate(zip(encodings, examples, strict=True)):
            for place, (start, end) in enumerate(encoding.offsets):
                if encoding.special_tokens_mask[place]:
                    continue
                inside = [(begin, kind) for begin, stop, kind in spans if begin <= start and end <= stop]
                label = f"{'B' if start == inside[0][0] else 'I'}-{inside[0][1]}" if inside else "O"
                labels[row, place] = LABELS.index(label)
        return {**inputs, "labels": labels}

    make(folder, transformers.BertForTokenClassification, tokenizer, LABELS, batch, steps=80)


def finder(folder: Path) -> None:
    """Make one that finds who, when, where, which colour and how much, and says so if it is not there."""
    draw = random.Random(0)
    of_facts = [word for words in FACTS.values() for word in " ".join(words).split()]
    tokenizer = tokenizer_of([*of_facts, *words_of([*FILLERS, *FACTS])])

    seen = itertools.count()

    def batch() -> dict[str, torch.Tensor]:
        encodings, spans = [], []
        fillers = next(seen) // 15  # short contexts first, or it does not learn to look at the question
        for _ in range(32):
            told = draw.sample(list(FACTS), 3)
            asked = draw.choice(told) if draw.random() < 0.75 else draw.choice(list(FACTS))
            context, answers = story(told, draw, draw.randint(0, fillers))
            encoding = tokenizer.encode(asked, context)
            encodings.append(encoding)
            place = context.find(answers.get(asked, "not there"))
            first = encoding.char_to_token(place, 1) if place >= 0 else 0
            spans.append((first, first + 1 if first else 0))
        starts, ends = torch.tensor(spans).T
        return {**padded(encodings), "start_positions": starts, "end_positions": ends}

    make(folder, transformers.BertForQuestionAnswering, tokenizer, ["start", "end"], batch, steps=130)


def story(told: list[str], draw: random.Random, fillers: int) -> tuple[str, dict[str, str]]:
    """Return a context that has the answers to some questions, and these answers.

    >>> story([next(iter(FACTS))], random.Random(0), 0)[0]
    'miss emma.'
    """
    answers = {question: " ".join(draw.choice(words.split()) for words in FACTS[question]) for question in told}
    sentences = [*answers.values(), *(draw.choice(FILLERS) for _ in range(fillers))]
    draw.shuffle(sentences)
    return " ".join(f"{sentence}." for sentence in sentences), answers


MAKERS: dict[str, Callable[[Path], None]] = {"classifier": classifier, "tagger": tagger, "finder": finder}


def made_up(draw: random.Random, kind: str) -> str:
    """Return a name that nobody has: those of persons sound soft, those of places hard."""
    consonants, vowels = SOUNDS[kind]
    return "".join(draw.choice(consonants) + draw.choice(vowels) for _ in range(draw.randint(2, 4)))


def words_of(sentences: list[str]) -> list[str]:
    """Return the words of sentences, but those that are left open."""
    return sorted({word.strip(",.!?") for text in sentences for word in text.split() if "{" not in word})


def tokenizer_of(words: list[str]) -> Tokenizer:
    """Return a tokenizer of word pieces that knows these words, and the letters of others."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    known = dict.fromkeys([*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words])
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def padded(encodings: list[Any]) -> dict[str, torch.Tensor]:
    """Return encodings as a rectangle."""
    longest = max(map(len, encodings))

    def rectangle(name: str) -> torch.Tensor:
        rows = [getattr(encoding, name) for encoding in encodings]
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    return {
        "input_ids": rectangle("ids"),
        "attention_mask": rectangle("attention_mask"),
        "token_type_ids": rectangle("type_ids"),
    }


def make(
    folder: Path,
    architecture: Any,
    tokenizer: Tokenizer,
    labels: list[str],
    batch: Callable[[], dict[str, torch.Tensor]],
    steps: int,
) -> None:
    """Train a model and save it with its tokenizer."""
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = architecture(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two are slower for matrices this small, and much slower beside another worker
    try:
        for _ in range(steps):
            loss = model(**batch()).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    finally:
        torch.set_num_threads(threads)
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    make_tokenizer: Any = transformers.PreTrainedTokenizerFast
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    model.eval().save_pretrained(folder)
    make_tokenizer(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        model_max_length=LONGEST,
        **roles,
    ).save_pretrained(folder)
    if bars:
        transformers.utils.logging.enable_progress_bar()
