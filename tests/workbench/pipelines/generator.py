"""A small causal model with its own tokenizer, trained for a few seconds: it goes on with what it has learned."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SENTENCES = [
    "Once upon a time there was a fox who lived in a dark forest.",
    "The rain in Spain stays mainly in the plain.",
    "A fused kernel reads its input once and writes its output once.",
    "Die Füße der Gänse: “naïve” cafés — 日本語の文 🦊🎉 schön.",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
]
STARTS = [" ".join(sentence.split(" ")[:2]) for sentence in SENTENCES]
TALKS = [
    ("Who are you?", "I am a small model."),
    ("What is the capital of France?", "It is Paris."),
]
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] not in ('user', 'assistant') %}"
    "{{ raise_exception('only user and assistant speak') }}{% endif %}"
    "<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
END = "<|end|>"
SPECIAL = ["<|begin|>", END, "<|user|>", "<|assistant|>"]
LONGEST = 128
"""So many positions the model has."""


def trained(folder: Path, kind: str = "llama", **more: Any) -> Path:
    """Make the model once for all processes that share the folder, and return where it is."""
    target = folder / f"generator-{kind}"
    if not (target / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        _save(building, kind, more)
        try:
            building.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(building)
    return target


def tokenizer() -> Any:
    """Return a tokenizer of bytes, in which a letter beyond ASCII is several tokens."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([text for text in SENTENCES if text.isascii()], trainer)
    fast: Any = transformers.PreTrainedTokenizerFast
    return fast(
        tokenizer_object=made,
        bos_token=SPECIAL[0],
        eos_token=END,
        pad_token=END,
        additional_special_tokens=SPECIAL[2:],
        chat_template=TEMPLATE,
        model_max_length=LONGEST,
    )


def config(kind: str, vocabulary: int, **more: Any) -> Any:
    """Return the configuration of a small model of an architecture."""
    import transformers

    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": LONGEST,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    sizes |= {
        "gptj": {"rotary_dim": 8},
        "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    }.get(kind, {})
    if kind not in ("gpt2", "bloom", "opt", "gpt_neox", "falcon", "mamba", "gptj", "gpt_neo"):
        sizes |= {"intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16}
    return transformers.AutoConfig.for_model(kind, **{**sizes, **more})


def _save(folder: Path, kind: str, more: dict[str, Any]) -> None:
    import torch
    import transformers

    words = tokenizer()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config(kind, len(words), **more))
        _train(model, words)
    model.generation_config.eos_token_id = 1
    model.save_pretrained(folder)
    words.save_pretrained(folder)


def _train(model: Any, words: Any) -> None:
    import torch

    texts = [f"{text}{END}" for text in SENTENCES]
    texts += [f"<|user|>{question}{END}<|assistant|>{answer}{END}" for question, answer in TALKS]
    rows = words(texts, padding=True, return_tensors="pt")
    labels = rows["input_ids"].clone()
    labels[rows["attention_mask"] == 0] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3)
    model.train()
    for _ in range(300):
        loss = model(**rows, labels=labels).loss
        if loss.item() < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread: so small a model takes longer with more, much longer beside other work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shared(base: Path) -> Path:
    """Return the folder that all workers of a run of tests share."""
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
