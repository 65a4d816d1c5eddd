"""The small writer: a causal model that knows a few sentences by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

from .training import save, train

SENTENCES = (
    "Once upon a time there was a fox who lived in a dark forest and read old books by moonlight.",
    "A fused kernel reads its input once and writes its output once, which is why it is fast.",
    "The rain in the harbour fell all night, and in the morning the boats were full of stars.",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
    "To measure is to compare, and to compare is to take turns.",
)
"""What it learns."""
_BEGIN, _END = "<|begin|>", "<|end|>"
_LONGEST = 128


def save_writer(folder: Path) -> None:
    """Train the sentences until they are known."""
    tokenizer = _tokenizer()
    rows = tokenizer([f"{text}{_END}" for text in SENTENCES], padding=True, return_tensors="pt")
    rows["labels"] = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        max_position_embeddings=_LONGEST,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    save(folder, train(lambda: transformers.LlamaForCausalLM(config), lambda: rows, 300, enough=0.02), tokenizer)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[_BEGIN, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    make_tokenizer: Any = transformers.PreTrainedTokenizerFast
    return make_tokenizer(
        tokenizer_object=tokenizer, bos_token=_BEGIN, eos_token=_END, pad_token=_END, model_max_length=_LONGEST
    )
