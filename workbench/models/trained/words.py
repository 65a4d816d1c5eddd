"""A tokenizer for small models: the words that it was shown, and single characters for all others."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import Any

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def word_tokenizer(sentences: Iterable[str], longest: int) -> Any:
    """Return a tokenizer of transformers.

    Parameters
    ----------
    sentences
        Whose words it knows whole.
    longest
        Tokens of a text at the most.
    """
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    # Whole words are learned. The trainer of word pieces breaks ties differently in each process, so the pieces of all
    # other words are single characters.
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(sentences, trainers.WordLevelTrainer(show_progress=False))
    learned = tokenizer.get_vocab()
    words = [word for word in sorted(learned, key=learned.__getitem__) if len(word) > 1]
    letters = sorted(set(string.ascii_lowercase + string.digits + string.punctuation))
    vocabulary = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words]
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer.model = models.WordPiece(ids, unk_token="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    names = ["input_ids", "token_type_ids", "attention_mask"]
    make_tokenizer: Any = transformers.PreTrainedTokenizerFast
    return make_tokenizer(tokenizer_object=tokenizer, model_input_names=names, model_max_length=longest, **roles)
