"""A stream of texts through a classifier, an embedder and a kernel, no faster than it is read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, RunError

if TYPE_CHECKING:
    from .handle import KernelHandle

Group = tuple[list[str], Any, Any]
"""Texts, their labels and their embeddings."""


@dataclass(frozen=True)
class TextRecord:
    """What the three stages say of a text.

    Parameters
    ----------
    text
        The text.
    label
        The classifier's answer.
    embedding
        The embedder's: float32 of shape (width,).
    answer
        The kernel's answer to the embedding.
    """

    text: str
    label: Any
    embedding: Any = field(repr=False)
    answer: Any


async def stream_texts(
    texts: Iterable[str] | AsyncIterable[str],
    classifier: KernelHandle,
    embedder: KernelHandle,
    kernel: KernelHandle,
    *,
    batch: int = 16,
    ahead: int = 2,
) -> AsyncIterator[TextRecord]:
    """Send texts through a classifier and an embedder at once, and each embedding through a kernel, in order.

    Parameters
    ----------
    texts
        Any number; also an asynchronous iterable, such as what a server receives.
    classifier, embedder
        Kernels that run pipelines: ``runtime.launch("labels", handler=wb.pipeline("text-classification", model))``.
        They are given lists of texts.
    kernel
        Is given one embedding after the other, in the order of the texts, so that what it keeps grows with the stream.
    batch
        At most so many texts go together. Those that are there do; none waits for company.
    ahead
        So many groups are on their way while one is read. No more than ``batch * (ahead + 1)`` texts are taken from
        their source before they are asked for, and some more that are read meanwhile.

    Yields
    ------
    TextRecord
        One for each text, in order.

    Raises
    ------
    workbench.errors.WorkbenchError
        What a stage raises, at the place of the first text that it concerns. What is on its way is taken back.

    Examples
    --------
    In a coroutine::

        async for record in stream_texts(reviews, labels, vectors, similar):
            print(record.label.label, record.answer.max())
    """
    for name, value in (("batch", batch), ("ahead", ahead)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, got {value!r}.")
    if isinstance(texts, str) or not isinstance(texts, Iterable | AsyncIterable):
        raise InputError(f"texts must be many texts, such as a list or a generator; got {texts!r}.")
    line: asyncio.Queue[_End | str] = asyncio.Queue(batch)
    closing = asyncio.Event()
    reader = asyncio.create_task(_read(texts, line, closing))
    flying: deque[asyncio.Task[Group]] = deque()
    end: _End | None = None
    try:
        while flying or end is None:
            while end is None and len(flying) < ahead and (not flying or not line.empty()):
                group, end = await _take(line, batch)
                if group:
                    flying.append(asyncio.create_task(_both(group, classifier, embedder)))
            if not flying:
                continue
            read, labels, vectors = await flying[0]
            flying.popleft()
            for text, label, vector in zip(read, labels, vectors, strict=True):
                yield TextRecord(text, label, vector, await kernel.acall(vector))
        if isinstance(end.error, Exception):
            raise end.error
        if end.error is not None:
            raise RunError(f"The source of the texts ended with {type(end.error).__name__}.") from end.error
    finally:
        closing.set()
        tasks = [reader, *flying]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class _End:
    """There are no more texts, since the source has ended or has raised."""

    error: BaseException | None = None


async def _read(
    texts: Iterable[str] | AsyncIterable[str], line: asyncio.Queue[_End | str], closing: asyncio.Event
) -> None:
    """Put texts into the line, as long as there is room, and behind them that there are no more."""
    try:
        if isinstance(texts, AsyncIterable):
            async for text in texts:
                await line.put(text)
        else:
            for text in texts:
                await line.put(text)
    except BaseException as error:  # raised again after the texts before it; a task of the source may be cancelled, too
        if closing.is_set():
            raise
        await line.put(_End(error))
    else:
        await line.put(_End())


async def _take(line: asyncio.Queue[_End | str], most: int) -> tuple[list[str], _End | None]:
    """Wait for one text, and take those that are there with it."""
    group: list[str] = []
    while len(group) < most and (not group or not line.empty()):
        found = await line.get()
        if isinstance(found, _End):
            return group, found
        group.append(found)
    return group, None


async def _both(group: list[str], classifier: KernelHandle, embedder: KernelHandle) -> Group:
    """Ask both at once; if one fails, the other's work is taken back."""
    asked = [asyncio.ensure_future(handle.acall(group)) for handle in (classifier, embedder)]
    try:
        answers = await asyncio.gather(*asked)
    finally:
        for task in asked:
            task.cancel()
    for handle, found in zip((classifier, embedder), answers, strict=True):
        if not hasattr(found, "__len__") or len(found) != len(group):
            got = f"{len(found)} answers" if hasattr(found, "__len__") else repr(found)
            raise InputError(
                f"Kernel {handle.name!r} is given lists of texts and must answer each text; it got {len(group)} and "
                f"gave {got}. A pipeline does so."
            )
    labels, vectors = answers
    return group, labels, vectors
