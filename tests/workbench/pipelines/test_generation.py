"""Text generation: what was learned is continued, and each text is what it would be alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ClosedError, InputError
from workbench.pipelines.batching import BatchConfig
from workbench.pipelines.generation.decoder import Continuation
from workbench.pipelines.pipeline import pipeline
from workbench.pipelines.results import Generation, Results

from . import generator

SENTENCES = generator.SENTENCES
STARTS = generator.STARTS
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["torch", "onnxruntime"])
def pipe(causal: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with pipeline("text-generation", causal, engine=request.param) as made:
        assert made.engine.name == request.param
        yield made


@pytest.mark.parametrize("sentence", SENTENCES)
def test_learned_sentences_are_continued(pipe: Any, sentence: str) -> None:
    words = sentence.split(" ")
    for count in (2, len(words) // 2):
        found = pipe(" ".join(words[:count]))
        assert (found.prompt + found.text, found.finish) == (sentence, "stop")


def test_what_is_asked_for_is_what_comes(pipe: Any) -> None:
    assert pipe(STARTS[1], max_new_tokens=3) == Generation(
        pipe(STARTS[1], max_new_tokens=3).text, STARTS[1], 3, "length"
    )
    both = pipe(STARTS[:2], max_new_tokens=3)
    assert isinstance(both, Results)
    assert [len(found.text) > 0 for found in both] == [True, True]
    assert pipe(iter(STARTS[:2]), max_new_tokens=3) == both


GREEDY_OPTIONS: list[dict[str, Any]] = [
    {},
    {"max_new_tokens": 5},
    {"repetition_penalty": 1.5, "max_new_tokens": 40},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 40},
    {"min_new_tokens": 30, "max_new_tokens": 40},
]
DRAWN_OPTIONS: list[dict[str, Any]] = [
    {"temperature": 1.5, "seed": 7},
    {"temperature": 3.0, "top_k": 0, "seed": 8},
    {"top_p": 0.9, "temperature": 2.0, "seed": 9},
    {"min_p": 0.05, "temperature": 2.0, "seed": 10},
]


@pytest.mark.parametrize("options", [*GREEDY_OPTIONS, *DRAWN_OPTIONS], ids=str)
def test_tokens_are_those_of_transformers(pipe: Any, causal: Path, options: dict[str, Any]) -> None:
    """The very same, drawn ones too: from a seed, torch draws for one text what transformers does."""
    words = transformers.AutoTokenizer.from_pretrained(causal)
    model = transformers.AutoModelForCausalLM.from_pretrained(causal).eval()
    asked = {"max_new_tokens": 60, **{name: value for name, value in options.items() if name != "seed"}}
    for start in STARTS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.get("seed", 0))
            ids = words(start, return_tensors="pt")
            whole = model.generate(**ids, **asked, do_sample="seed" in options)[0]
        found = pipe(start, **{"max_new_tokens": 60, **options})
        assert start + found.text == words.decode(whole, skip_special_tokens=True)
        assert found.tokens == len(whole) - ids["input_ids"].shape[1]


TOGETHER: list[dict[str, Any]] = [
    {},
    {"repetition_penalty": 1.4},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 2, "repetition_penalty": 1.2},
    {"no_repeat_ngram_size": 1},
    {"temperature": 2.0, "seed": 3},
]


@pytest.mark.parametrize("options", TOGETHER, ids=str)
def test_texts_together_are_those_one_by_one(pipe: Any, options: dict[str, Any]) -> None:
    @settings(max_examples=6, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(SENTENCES), st.integers(1, 40)), min_size=2, max_size=20),
        st.integers(1, 12),
    )
    def law(cuts: list[tuple[str, int]], longest: int) -> None:
        prompts = [sentence[:length] for sentence, length in cuts]
        alone = [pipe(prompt, max_new_tokens=longest, **options) for prompt in prompts]
        assert pipe(prompts, max_new_tokens=longest, **options) == alone

    law()


def test_a_seed_gives_the_same_again_and_nobody_else_notices(pipe: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    options = {"temperature": 3.0, "max_new_tokens": 20}
    first = pipe(STARTS[0], seed=1, **options)
    assert pipe(STARTS[0], seed=1, **options) == first
    assert pipe(STARTS[0], seed=2, **options) != first
    assert pipe([STARTS[1], STARTS[0]], seed=1, **options)[1] == first
    assert len({pipe(STARTS[0], **options).text for _ in range(4)}) > 1
    assert (torch.rand(4) == expected).all()


def test_messages_go_through_the_chat_template(pipe: Any) -> None:
    question, answer = generator.TALKS[0]
    talk = [{"role": "user", "content": question}]
    found = pipe(talk)
    assert (found.text, found.finish) == (answer, "stop")
    assert found.prompt == f"<|user|>{question}<|end|><|assistant|>"
    assert [each.text for each in pipe([talk, STARTS[1]])] == [answer, pipe(STARTS[1]).text]
    begun = pipe([*talk, {"role": "assistant", "content": answer[:6]}])
    assert begun.text == answer[6:]


def test_callers_of_many_threads_and_tasks_share_batches(causal: Path, pipe: Any) -> None:
    expected = [pipe(start) for start in STARTS]
    drawn = [pipe(start, temperature=2.0, seed=5) for start in STARTS]
    with pipeline("text-generation", causal, batching=BatchConfig(max_batch_size=10, max_wait_ms=2000)) as shared:
        with ThreadPoolExecutor(10) as threads:
            greedy = [threads.submit(shared, start) for start in STARTS]
            others = [threads.submit(shared, start, temperature=2.0, seed=5) for start in STARTS]
            assert [future.result() for future in greedy] == expected
            assert [future.result() for future in others] == drawn
        assert shared.metrics.batches <= 2

        async def main() -> list[Any]:
            return await asyncio.gather(shared.arun(STARTS), *map(shared.arun, STARTS))

        together, *apart = asyncio.run(main())
        assert together == apart == expected
        with pytest.raises(InputError):
            shared("one two " * 200)
    with pipeline("text-generation", causal, batching=BatchConfig(max_batch_size=2, max_wait_ms=0, max_queue=3)) as few:
        assert few(STARTS * 2) == expected * 2  # more than the queue holds


def test_awaited_and_given_up(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes(monkeypatch)

    async def main() -> None:
        assert await pipe.arun(STARTS[1]) == pipe(STARTS[1])
        assert await pipe.arun(STARTS[:2]) == pipe(STARTS[:2])
        passes.count = 0
        task = asyncio.create_task(pipe.arun(STARTS[0], min_new_tokens=90, max_new_tokens=100))
        await asyncio.to_thread(passes.wait_for, 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # joins the thread of the work
    assert passes.count < 60


class Passes:
    """Counts how often the next token is computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._changed = threading.Condition()
        compute = Continuation.scores

        def scores(continuation: Continuation) -> torch.Tensor:
            with self._changed:
                self.count += 1
                self._changed.notify_all()
            return compute(continuation)

        monkeypatch.setattr(Continuation, "scores", scores)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, timeout=30)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_closed_pipeline_says_so(causal: Path, engine: str) -> None:
    pipe = pipeline("text-generation", causal, engine=engine)
    stream = pipe.stream("Once")
    pipe.close()
    for ask in (lambda: pipe("Once"), lambda: pipe.stream("Once"), lambda: next(stream)):
        with pytest.raises(ClosedError):
            ask()
