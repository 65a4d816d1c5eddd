"""Small models for the tasks of pipelines, trained here in a few seconds: ``load("sample:tiny-tagger")`` and others.

They know a few dozen words and what was told of those, and are there to try things with where there is no network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .once import made_once

DESCRIPTIONS = {
    "tiny-classifier": "a small BERT that tells good from bad, trained here on first use, Hugging Face",
    "tiny-tagger": "a small BERT that finds people, places and companies, trained here on first use, Hugging Face",
    "tiny-reader": "a small BERT that finds answers in a text, trained here on first use, Hugging Face",
    "tiny-writer": "a small Llama that continues a few sentences, trained here on first use, Hugging Face",
}
"""What each does, in a line."""
_VERSION = 2
"""Changed with what is trained."""


def trained(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Train a model, or find it where it was trained before; alike every time on one machine.

    Parameters
    ----------
    name
        One of :data:`DESCRIPTIONS`.
    folder
        Where to save it; the user's cache folder if None.

    Returns
    -------
    pathlib.Path
        The folder, with config.json, model.safetensors and the tokenizer.
    """
    return made_once(name, _trainer(name), folder, version=_VERSION)


def _trainer(name: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        from . import encoders, writer  # both load torch

        trainers = {
            "tiny-classifier": encoders.save_classifier,
            "tiny-tagger": encoders.save_tagger,
            "tiny-reader": encoders.save_reader,
            "tiny-writer": writer.save_writer,
        }
        trainers[name](folder)

    return save
