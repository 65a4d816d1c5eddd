"""Many items through a batcher, of which no more wait at a time than leave half of its queue to other callers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from .batching.batcher import Batcher
from .batching.line import Item
from .batching.reply import Result


def answers(batcher: Batcher[Item, Result], items: Sequence[Item]) -> list[Result]:
    """Return the results in the order of the items; what waits is given up if one fails."""
    waiting: deque[Future[Result]] = deque()
    found: list[Result] = []
    try:
        for item in items:
            if len(waiting) == _most(batcher):
                found.append(waiting.popleft().result())
            waiting.append(batcher.submit(item))
        found += [future.result() for future in waiting]
    finally:
        for future in waiting:
            future.cancel()
    return found


async def answers_awaited(batcher: Batcher[Item, Result], items: Sequence[Item]) -> list[Result]:
    """Return the results as :func:`answers` does, awaited."""
    if len(items) == 1:
        return [await batcher.arun(items[0])]
    free = asyncio.Semaphore(_most(batcher))

    async def one(item: Item) -> Result:
        async with free:
            return await batcher.arun(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except* Exception as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _most(batcher: Batcher[Any, Any]) -> int:
    return max(batcher.config.max_queue // 2, 1)
