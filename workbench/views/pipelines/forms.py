"""What the Pipelines panel asks for each task: words, models to try, a text to begin with, the options of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.models import samples
from workbench.models.formats import Option

CLASSIFICATION, ENTITIES, ANSWERS = "text-classification", "token-classification", "question-answering"
EMBEDDINGS, GENERATION = "feature-extraction", "text-generation"


@dataclass(frozen=True)
class Form:
    """What a task is asked with.

    Parameters
    ----------
    title
        What it answers, in a few words.
    about
        The same in a sentence.
    models
        Models to try: hub ids, or ``sample:`` names of what is at hand.
    text
        A text to begin with; for question-answering the context.
    label
        Of the field of the text.
    lines
        Whether each line of it may be a text of its own.
    options
        Of a call.
    opening
        Of the task, when the pipeline is opened.
    """

    title: str
    about: str
    models: tuple[str, ...]
    text: str
    label: str = "Texts"
    lines: bool = True
    options: Sequence[Option] = ()
    opening: Sequence[Option] = ()


_CUT = ("warn", "error")
_TRUNCATION = Option("truncation", str, "warn", "what becomes of a text that is too long", _CUT)
_WINDOWS = Option("truncation", str, "window", "what becomes of a text that is too long", ("window", *_CUT))

_STRATEGIES = ("none", "simple", "first", "average", "max")

QUESTION = "Where was Alan born?"

FORMS = {
    CLASSIFICATION: Form(
        "What kind of text is it?",
        "A label for each text, with its score.",
        ("sample:tiny-classifier", "distilbert/distilbert-base-uncased-finetuned-sst-2-english", "ProsusAI/finbert"),
        "The waiter was friendly and the soup was delicious.\nThe room was noisy, and the keyboard was broken.",
        options=(Option("top_k", int, None, "labels; the best one"),),
        opening=(_TRUNCATION,),
    ),
    ENTITIES: Form(
        "Who and what is named in it?",
        "The names in a text, with their kinds and places.",
        ("sample:tiny-tagger", "dslim/bert-base-NER", "dslim/distilbert-NER"),
        "Ada Lovelace works for Northwind Traders in London.\nGrace Hopper met Alan Turing in Paris.",
        options=(Option("aggregation_strategy", str, "simple", "how pieces of words are joined", _STRATEGIES),),
        opening=(_WINDOWS,),
    ),
    ANSWERS: Form(
        "Where is the answer?",
        "The passage of a context that answers a question.",
        ("sample:tiny-reader", "distilbert/distilbert-base-cased-distilled-squad", "deepset/minilm-uncased-squad2"),
        "Grace owns a red bicycle. Alan was born in Vienna. Marie arrived on Friday. Ada works for Silver Line.",
        label="Context",
        lines=False,
        options=(Option("top_k", int, None, "passages; the best one"),),
        opening=(_WINDOWS,),
    ),
    EMBEDDINGS: Form(
        "Which texts mean the same?",
        "An array of numbers for each text, and how near the texts are.",
        ("sample:minilm", "sentence-transformers/all-MiniLM-L6-v2", "intfloat/e5-small-v2"),
        "A cat sleeps on the sofa.\nA kitten naps on the couch.\nThe engine needs more oil.\nThe motor is low on oil.",
        opening=(
            Option("pooling", str, None, "what becomes of the tokens of a text", ("mean", "cls", "last-token")),
            _TRUNCATION,
        ),
    ),
    GENERATION: Form(
        "How does it go on?",
        "A text that continues the prompt, shown while it is written.",
        ("sample:tiny-writer", "distilbert/distilgpt2", "HuggingFaceTB/SmolLM2-135M"),
        "Once upon a time",
        label="Prompt",
        lines=False,
        options=(
            Option("max_new_tokens", int, 50, "at most so many"),
            Option("temperature", float, None, "such as 0.7; draws tokens"),
            Option("top_p", float, None, "such as 0.9; draws tokens"),
            Option("top_k", int, None, "such as 50; draws tokens"),
            Option("stop", str, None, "a text that ends it"),
            Option("seed", int, None, "a number; the same again"),
        ),
    ),
}
"""By the name of the task."""


def at_hand(task: str) -> str:
    """Return a model to begin with: a sample that is here, or else the first one of the hub."""
    here = {f"sample:{name}" for name in samples.available()}
    return next(source for source in FORMS[task].models if source in here or not source.startswith("sample:"))
