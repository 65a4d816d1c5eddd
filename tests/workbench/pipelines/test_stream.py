"""Streams of text: the pieces are the text, several run at once, and who leaves the loop stops the work."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.errors import ClosedError, InputError, RunError
from workbench.pipelines.generation.decoder import Continuation
from workbench.pipelines.generation.onnx_decoder import OnnxContinuation
from workbench.pipelines.generation.torch_decoder import TorchContinuation
from workbench.pipelines.pipeline import pipeline

from . import generator

SENTENCES = generator.SENTENCES
STARTS = generator.STARTS
pytestmark = pytest.mark.usefixtures("one_thread")
LONG: dict[str, Any] = {"min_new_tokens": 90, "max_new_tokens": 100}
"""A text that does not end while a test looks at it."""


@pytest.fixture(params=["torch", "onnxruntime"])
def pipe(causal: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with pipeline("text-generation", causal, engine=request.param) as made:
        yield made


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each computation of a next token adds its thread."""
    seen: list[int] = []
    compute = Continuation.scores

    def scores(continuation: Continuation) -> torch.Tensor:
        seen.append(threading.get_ident())
        return compute(continuation)

    monkeypatch.setattr(Continuation, "scores", scores)
    return seen


@pytest.mark.parametrize("options", [{}, {"stop": ["dark", "seven"]}, {"temperature": 2.0, "seed": 6}], ids=str)
def test_the_pieces_are_the_text(pipe: Any, options: dict[str, Any]) -> None:
    for start in STARTS:
        stream = pipe.stream(start, max_new_tokens=50, **options)
        pieces = list(stream)
        assert stream.result == pipe(start, max_new_tokens=50, **options)
        assert "".join(pieces) == stream.result.text
        assert all(pieces)
        assert next(stream, None) is None


def test_characters_are_whole(pipe: Any) -> None:
    stream = pipe.stream("Die Füße")
    pieces = list(stream)
    assert "Die Füße" + "".join(pieces) == SENTENCES[3]
    assert len(pieces) < stream.result.tokens  # some characters took several
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)


def test_a_text_may_be_empty(pipe: Any) -> None:
    stream = pipe.stream(SENTENCES[1])
    assert list(stream) == []
    assert (stream.result.text, stream.result.finish, stream.result.tokens) == ("", "stop", 1)


def test_messages_stream_too(pipe: Any) -> None:
    question, answer = generator.TALKS[1]
    assert "".join(pipe.stream([{"role": "user", "content": question}])) == answer


def test_event_loops_read_streams(pipe: Any, passes: list[int]) -> None:
    async def read(start: str) -> str:
        return start + "".join([piece async for piece in pipe.stream(start)])

    async def main() -> list[str]:
        return await asyncio.gather(*map(read, STARTS))

    assert asyncio.run(main()) == SENTENCES
    assert threading.get_ident() not in passes


def test_threads_read_streams_at_once(pipe: Any) -> None:
    def read(start: str) -> str:
        return start + "".join(pipe.stream(start))

    with ThreadPoolExecutor(len(STARTS)) as threads:
        assert list(threads.map(read, STARTS * 3)) == SENTENCES * 3


def test_streams_in_turns_do_not_disturb_each_other(pipe: Any) -> None:
    options = {"temperature": 2.0, "max_new_tokens": 12}
    streams = [pipe.stream(start, seed=seed, **options) for seed, start in enumerate(STARTS)]
    texts = [""] * len(streams)
    while any(pieces := [next(stream, "") for stream in streams]):
        texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
    assert texts == [pipe(start, seed=seed, **options).text for seed, start in enumerate(STARTS)]


def test_nothing_is_computed_before_it_is_read_nor_after(pipe: Any, passes: list[int]) -> None:
    stream = pipe.stream("Once", **LONG)
    assert not passes
    read = ""
    for count, piece in enumerate(stream):
        read += piece
        if count == 4:
            break
    computed = len(passes)
    assert computed <= 5 + 2  # a piece may take more than one token
    found = stream.result
    assert (found.text, found.finish, found.tokens) == (read, "cancelled", computed)
    assert next(stream, None) is None
    assert len(passes) == computed


def test_every_way_to_leave_lets_the_past_go(pipe: Any) -> None:
    def memory() -> int:
        """Count what keeps the tokens before for a model."""
        gc.collect()
        return sum(type(one) in (TorchContinuation, OnnxContinuation) for one in gc.get_objects())

    before = memory()
    closed = pipe.stream("Once", **LONG)
    next(closed)
    assert memory() > before
    closed.close()
    with pipe.stream("Once", **LONG) as left:
        next(left)
    dropped = pipe.stream("Once", **LONG)
    next(dropped)
    alive = weakref.ref(dropped)
    del dropped
    asked = pipe.stream("Once", **LONG)
    next(asked)
    assert asked.result.finish == left.result.finish == closed.result.finish == "cancelled"

    async def main() -> None:
        stream = pipe.stream("Once", **LONG)
        await anext(stream)
        await stream.aclose()
        async with pipe.stream("Once", **LONG) as other:
            async for _ in other:
                break
        assert stream.result.finish == other.result.finish == "cancelled"

    asyncio.run(main())
    assert alive() is None
    assert memory() == before


def test_a_cancelled_task_stops_its_stream_within_two_tokens(pipe: Any, passes: list[int]) -> None:
    streams = []

    async def read(stream: Any, reached: asyncio.Event) -> None:
        count = 0
        async for _ in stream:
            count += 1
            if count == 3:
                reached.set()

    async def main() -> tuple[int, str]:
        stream, other = pipe.stream("Once", **LONG), pipe.stream(STARTS[1])
        streams.append(stream)
        reached = asyncio.Event()
        task = asyncio.create_task(read(stream, reached))
        await reached.wait()
        computed = len(passes)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.result.finish == "cancelled"
        assert len(passes) <= computed + 2
        computed = len(passes)
        return computed, "".join([piece async for piece in other])

    computed, other = asyncio.run(main())
    assert STARTS[1] + other == SENTENCES[1]
    assert len(passes) == computed + pipe(STARTS[1]).tokens
    assert next(streams[0], None) is None


def test_closed_from_another_thread(pipe: Any) -> None:
    stream = pipe.stream("Once", **LONG)
    next(stream)
    began, pieces = threading.Event(), []

    def read() -> None:
        for piece in stream:
            pieces.append(piece)
            began.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert began.wait(30)
    stream.close()
    thread.join(30)
    assert not thread.is_alive()
    assert stream.result.finish == "cancelled"
    assert stream.result.text.endswith("".join(pieces))


def test_the_reader_s_torch_is_as_it_was(pipe: Any) -> None:
    for _ in pipe.stream(STARTS[1]):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


def test_an_error_in_the_middle_ends_the_stream(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = pipe.stream("Once", **LONG)
    next(stream)

    def fail(continuation: Continuation) -> torch.Tensor:
        raise ValueError("no more")

    with monkeypatch.context() as patched:
        patched.setattr(Continuation, "scores", fail)
        with pytest.raises(RunError, match="no more"):
            list(stream)
    assert list(stream) == []
    assert stream.result.finish == "cancelled"


def test_no_thread_stays_behind(causal: Path) -> None:
    def threads() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.startswith("workbench-text")}

    before = threads()
    pipe = pipeline("text-generation", causal)

    async def main() -> None:
        async for _ in pipe.stream("Once", **LONG):
            break

    asyncio.run(main())
    assert len(threads() - before) == 1
    workers = [thread for thread in threading.enumerate() if thread.name in threads() - before]
    pipe.close()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
    with pytest.raises(ClosedError):
        pipe.stream("Once")


def test_a_pipeline_that_closes_ends_its_streams(pipe: Any) -> None:
    stream, other = pipe.stream("Once", **LONG), pipe.stream("Once", **LONG)
    read = next(stream)

    async def main() -> None:
        await anext(other)
        pipe.close()
        with pytest.raises(ClosedError):
            await anext(other)

    asyncio.run(main())
    with pytest.raises(ClosedError):
        next(stream)
    assert next(stream, None) is None
    assert (stream.result.text, stream.result.finish, other.result.finish) == (read, "cancelled", "cancelled")


def test_a_stream_continues_one_prompt(pipe: Any) -> None:
    with pytest.raises(InputError, match="one prompt"):
        pipe.stream(STARTS)
