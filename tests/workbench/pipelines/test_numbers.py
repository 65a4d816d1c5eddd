"""Weights that make no numbers, or very large ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import workbench as wb
from workbench.errors import RunError

from ..alike import same  # noqa: TID252

ASKED: dict[str, tuple[str, Any]] = {
    "classifier": ("text-classification", "The soup was good."),
    "tagger": ("token-classification", "Ada went to Paris."),
    "finder": ("question-answering", ("Where does Ada live?", "Ada lives in Paris.")),
}


@pytest.fixture(params=ASKED)
def changed(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return what changes the head's weights and asks the model: alone, and among others."""
    task, asked = ASKED[request.param]

    def answers(change: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Any, list[Any]]:
        own = shutil.copytree(request.getfixturevalue(request.param), tmp_path / "own")
        weights = load_file(own / "model.safetensors")
        (head,) = (name for name in weights if name in ("classifier.weight", "qa_outputs.weight"))
        weights[head] = change(weights[head])
        save_file(weights, own / "model.safetensors", {"format": "pt"})
        with wb.pipeline(task, own) as pipe:
            return pipe(asked), pipe([asked] * 3)

    return answers


def test_what_is_no_number_is_refused(changed: Any) -> None:
    with pytest.raises(RunError, match=r"gives NaN or infinite numbers, .* load a checkpoint in float32"):
        changed(lambda head: torch.full_like(head, np.nan))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_model_that_is_very_sure_is_no_trouble(changed: Any, sign: int) -> None:
    """All other probabilities are 0 in float32, those of begins that come after the end among them."""
    alone, together = changed(lambda head: head * (sign * 1e4))
    scores = [one.score for one in (alone if isinstance(alone, list) else [alone])]
    assert all(0 <= score <= 1 for score in scores)
    assert same(together, [alone] * 3)
