"""Texts of different length together, by architectures that heed padding and by those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.pipelines.engines import Batch, Engine, Head
from workbench.pipelines.engines.schedule import compute
from workbench.pipelines.windows import Piece

from .encoders import opened, save
from .test_engines_schedule import text

SIZES: dict[str, dict[str, Any]] = {"xlnet": {"d_inner": 64, "d_head": 8, "max_position_embeddings": None}}
ONE_BY_ONE = "one text at a time, since padding changes"


def engine_of(folder: Path, kind: str, head: Head, **how: Any) -> Engine:
    return opened(save(kind, folder, head, **SIZES.get(kind, {})), head, **how)


def rows(engine: Engine, texts: list[Piece]) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def finish(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        for row, place in enumerate(places):
            found[place] = output[row] if output.ndim == 2 else output[row][batch.mask[row] == 1]

    assert compute(engine, texts, finish) == {}
    return found


@pytest.mark.parametrize(
    ("kind", "head", "heeds"),
    [
        ("fnet", "hidden", False),  # it has no mask
        ("convbert", "token-labels", False),  # its convolutions look at the places behind a text
        ("xlnet", "labels", False),  # it sums up at the last place
        ("xlnet", "spans", True),
        ("deberta-v2", "hidden", True),
    ],
)
def test_each_text_is_answered_as_it_is_alone(kind: str, head: Head, heeds: bool, tmp_path: Path) -> None:
    engine = engine_of(tmp_path, kind, head)
    assert engine.name == "torch"
    texts = [text(length) for length in (30, 9, 17, 30, 4)]
    alone = [rows(engine, [one])[0] for one in texts]
    assert engine.heeds_padding is None  # a text alone says nothing of it
    for _ in range(2):
        together = rows(engine, texts)
        for place, expected in enumerate(alone):
            np.testing.assert_allclose(together[place], expected, rtol=1e-4, atol=1e-4)
        assert engine.heeds_padding is heeds
        assert engine.why.count(ONE_BY_ONE) == (not heeds)
        assert (engine.tokens_at_once == 1) is not heeds


def test_an_exported_graph_is_tried_when_it_is_opened(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "convbert", "hidden", engine="onnxruntime")
    assert ONE_BY_ONE in engine.why
    texts = [text(length) for length in (12, 9)]
    alone = [rows(engine, [one])[0] for one in texts]
    together = rows(engine, texts)
    for place, expected in enumerate(alone):
        np.testing.assert_allclose(together[place], expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "heeds"), [("convbert", False), ("deberta-v2", True)])
def test_in_int8_its_float_weights_are_tried(kind: str, heeds: bool, tmp_path: Path) -> None:
    """What int8 rounds away, or makes of other texts in the batch, does not decide."""
    engine = engine_of(tmp_path, kind, "hidden", quantization="int8")
    assert engine.heeds_padding is heeds
    assert (ONE_BY_ONE in engine.why) is not heeds


def test_texts_of_one_length_need_no_trial(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "fnet", "labels")
    rows(engine, [text(9, seed) for seed in range(4)])
    assert engine.heeds_padding is None
