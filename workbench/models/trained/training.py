"""Training a small model for a few seconds, and saving it with its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from workbench.models.formats.huggingface.building import quiet

_RATE = 3e-3


def train(make: Callable[[], Any], rows: Callable[[], dict[str, Any]], steps: int, *, enough: float = 0.0) -> Any:
    """Return a model after so many steps.

    Parameters
    ----------
    make
        Makes the model, with weights at random that are the same each time.
    rows
        Makes a batch, with what is to be answered.
    steps
        At the most.
    enough
        The loss at which it ends earlier.
    """
    with _alone():
        model = make()
        optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=steps)
        model.train()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(**rows()).loss
            loss.backward()
            optimizer.step()
            schedule.step()
            if loss < enough:
                break
        return model.eval()


def save(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write both into a folder."""
    with quiet(transformers):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@contextmanager
def _alone() -> Iterator[None]:
    """Leave the user's random numbers as they were, and train on one thread: matrices so small gain from no other."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(0)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
