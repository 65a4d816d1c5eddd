"""From text to token ids: the checkpoint's own tokenizer, whose texts are padded and never cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import InputError, LoadError
from workbench.models.torch_arrays import first_line, import_or_say

from .building import quiet

_VOCABULARIES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "tekken.json",
)

Text = str | tuple[str, str]
"""A text, or two that belong together, such as a question and its context."""


class Tokenizer:
    """The checkpoint's own tokenizer.

    Parameters
    ----------
    folder
        Of the checkpoint.
    given
        The source, as the user named it.
    trust_remote_code
        Whether a tokenizer that comes as Python files may run.
    """

    def __init__(self, folder: Path, given: str, trust_remote_code: bool) -> None:
        transformers = import_or_say("transformers")
        if not any((folder / name).is_file() for name in _VOCABULARIES) and not trust_remote_code:
            # transformers would make one that knows no word
            raise LoadError(
                f"{given} has no tokenizer: none of the files {', '.join(_VOCABULARIES)}. Give input_ids in place "
                "of text, or add the tokenizer's files to the folder."
            )
        try:
            with quiet(transformers):
                # left out, trust_remote_code would ask at the terminal
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=trust_remote_code
                )
        except Exception as error:
            raise LoadError(
                f"{given} has no tokenizer that transformers can load ({first_line(error)}). Give input_ids, or "
                "add the tokenizer's files to the folder."
            ) from error
        self._given = given

    def __call__(self, texts: Text | list[Text]) -> dict[str, np.ndarray[Any, Any]]:
        """Return token ids and what goes with them, int64 [text, token], padded to the longest text; none is cut.

        Padding is at the end, whatever side the tokenizer prefers: on the left it would move the positions of the
        tokens.
        """
        batch = texts if isinstance(texts, list) else [texts]
        first, second = _sides(batch)
        tokenizer = self._tokenizer
        if len(batch) > 1 and tokenizer.pad_token is None:
            if tokenizer.eos_token is None:
                raise InputError(
                    f"The tokenizer of {self._given} has no token for padding, so {len(batch)} texts make no "
                    "rectangle. Give them one at a time."
                )
            tokenizer.pad_token = tokenizer.eos_token
        encoded = tokenizer(
            first,
            second,
            padding=len(batch) > 1,
            padding_side="right",
            truncation=False,
            return_tensors="np",
            verbose=False,
        )
        arrays = {name: np.asarray(array, np.int64) for name, array in encoded.items()}
        mask = arrays.get("attention_mask")
        if mask is not None and mask.ndim == 2 and not mask.any(axis=1).all():
            place = int(np.argmin(mask.any(axis=1)))
            raise InputError(
                f"Text {place} of {len(batch)}, {batch[place]!r:.60}, gives no token. Leave it out, or give a text."
            )
        return arrays


def _sides(batch: list[Any]) -> tuple[list[str], list[str] | None]:
    """Return the texts, and the second one of each where they are pairs."""
    if batch and all(isinstance(text, str) for text in batch):
        return batch, None
    if batch and all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in batch
    ):
        return [pair[0] for pair in batch], [pair[1] for pair in batch]
    raise InputError(
        "The texts are an empty list, or neither all of them str nor all of them pairs of str; give a text, a list of "
        "texts, or a list of pairs such as [('question', 'context')]."
    )
