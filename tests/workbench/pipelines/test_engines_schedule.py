"""Many texts on one engine: each computed once and as if alone, shared among threads; errors stay with their batch."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import RunError
from workbench.pipelines.engines import Batch, Engine, compute
from workbench.pipelines.engines.schedule import batches
from workbench.pipelines.windows import Piece

from .encoders import opened, save


def text(length: int, seed: int = 0, pair: bool = False) -> Piece:
    ids = np.random.default_rng([length, seed]).integers(5, 120, length).tolist()
    return Piece(ids, [int(pair and at > length // 2) for at in range(length)])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = opened(save("bert", tmp_path_factory.mktemp("bert")))
    assert engine.name == "onnxruntime"
    engine.lanes = 3
    return engine


@given(
    lengths=st.lists(st.integers(0, 300), min_size=1, max_size=60),
    tokens_at_once=st.integers(1, 600),
    lanes=st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_batches_have_each_text_once_and_keep_to_their_size(
    lengths: list[int], tokens_at_once: int, lanes: int
) -> None:
    made = batches(lengths, tokens_at_once, lanes)
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    in_order = [lengths[place] for batch in made for place in batch]
    assert in_order == sorted(lengths, reverse=True)
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= tokens_at_once


def test_a_few_texts_are_shared_out_among_the_lanes() -> None:
    assert len(batches([64] * 8, tokens_at_once=512, lanes=1)) == 1
    assert len(batches([64] * 8, tokens_at_once=512, lanes=2)) == 2
    assert len(batches([8] * 8, tokens_at_once=512, lanes=2)) == 1  # too small to be torn apart


@pytest.mark.parametrize("count", [1, 2, 40])
def test_each_text_is_computed_as_if_it_were_alone(engine: Engine, count: int) -> None:
    texts = [text(3 + 5 * seed % 31, seed, pair=seed % 3 == 0) for seed in range(count)]
    found: dict[int, Any] = {}
    threads = set()

    def finish(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        threads.add(threading.current_thread().name)
        for row, place in enumerate(places):
            assert place not in found
            found[place] = output[row][batch.mask[row] == 1]

    assert compute(engine, texts, finish) == {}
    for place, one in enumerate(texts):
        types = np.array([one.type_ids]) if any(one.type_ids) else None
        alone = engine.forward(Batch(np.array([one.ids]), np.ones((1, len(one.ids)), np.int64), types))[0]
        np.testing.assert_allclose(found[place], alone, atol=2e-5)
    if count < 3:
        assert threads == {threading.current_thread().name}


def test_batches_go_to_several_threads_at_the_same_time(engine: Engine) -> None:
    meeting = threading.Barrier(3, timeout=30)
    met: list[str] = []

    def finish(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        meeting.wait()  # passes only if three are in their batches together
        met.append(threading.current_thread().name)

    assert compute(engine, [text(128, seed) for seed in range(3)], finish) == {}
    assert len(set(met)) == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("workbench lane")]


@pytest.mark.parametrize("count", [1, 30])
def test_an_error_is_that_of_its_own_batch(engine: Engine, count: int) -> None:
    texts = [text(64, seed) for seed in range(count)]
    bad = count // 2
    texts[bad].ids[3] = 4000
    done: list[int] = []
    errors = compute(engine, texts, lambda output, batch, places: done.extend(places))
    assert isinstance(errors[bad], RunError)
    assert sorted([*done, *errors]) == list(range(count))
    assert len(errors) <= 8  # 512 tokens


def test_an_error_in_finishing_is_that_of_its_batch(engine: Engine) -> None:
    def finish(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        if 7 in places:
            raise ValueError("cannot be finished")

    errors = compute(engine, [text(128, seed) for seed in range(12)], finish)
    assert str(errors[7]) == "cannot be finished"
    assert 0 < len(errors) <= 4


def test_nothing_is_no_error(engine: Engine) -> None:
    assert compute(engine, [], lambda *_: None) == {}


def test_what_is_cancelled_is_left_out(engine: Engine) -> None:
    done: list[int] = []

    def finish(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        done.extend(places)

    texts = [text(128, seed) for seed in range(60)]
    assert compute(engine, texts, finish, cancelled=lambda: bool(done)) == {}
    assert 0 < len(done) <= 3 * 4  # what the three lanes had begun
    done.clear()
    for some in (texts, texts[:1]):
        assert compute(engine, some, finish, cancelled=lambda: True) == {}
    assert done == []


def test_what_ends_the_program_ends_the_work_of_all_lanes(engine: Engine) -> None:
    """An interrupt comes to the caller's thread; a lane may ask for the exit as well."""
    begun: list[int] = []

    def stops(output: np.ndarray[Any, Any], batch: Batch, places: list[int]) -> None:
        begun.extend(places)
        if len(begun) > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(engine, [text(100, seed) for seed in range(40)], stops)
    assert len(begun) <= 3 * 5 + 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("workbench lane")]
