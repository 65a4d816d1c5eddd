"""Requests from threads and event loops, run together by one worker thread."""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic

from workbench.errors import InputError
from workbench.text import format_share

from .config import BatchConfig
from .line import Item
from .metrics import BatchMetrics
from .reply import LoopReply, Result
from .worker import Worker


class Batcher(Generic[Item, Result]):
    """Run requests of many callers together.

    A worker thread gathers requests and calls the function with a list of them: as soon as ``max_batch_size`` wait, or
    when the oldest has waited for ``max_wait_ms``. So nobody waits for longer than that and the run then under way, as
    long as no more than a batch is due at a time. The thread sleeps while nobody waits, and ends when the batcher is
    closed or no longer referred to. A batcher that a forked process inherits begins anew there, with an empty queue.

    Parameters
    ----------
    function
        Takes a list of items and returns a list of as many results, in the same order. If it raises, the bad items are
        found by halving and fail with their own exceptions, which takes ``log2(n) + 3`` calls for one bad item among
        ``n``, and ``1.5 n + 2`` at the most. It may also return an exception in the place of a result, which costs
        nothing. One thread calls it, never twice at a time.
    config
        The limits.
    key
        Length of an item. Items of similar length then run together, so that little is padded. None if items have none.
    name
        Of the thread, in a debugger or profiler.

    Raises
    ------
    workbench.errors.InputError
        If the function or the key cannot be called, or ``config`` is something else.

    Examples
    --------
    >>> def double(items):
    ...     return [2 * item for item in items]
    >>> with Batcher(double, BatchConfig(max_wait_ms=0)) as batcher:
    ...     batcher(21)
    42
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result | BaseException]],
        config: BatchConfig | None = None,
        *,
        key: Callable[[Item], float] | None = None,
        name: str = "workbench-batcher",
    ) -> None:
        if not callable(function):
            raise InputError(f"A batcher needs a function of a list of items, got {function!r}.")
        if key is not None and not callable(key):
            raise InputError(f"key must be a function that gives the length of an item, got {key!r}.")
        if config is not None and not isinstance(config, BatchConfig):
            raise InputError(f"config must be a BatchConfig, got {config!r}.")
        self._key = key
        self._worker: Worker[Item, Result] = Worker(
            function, config or BatchConfig(), lengths=key is not None, name=name
        )
        # The thread knows the worker and not this object, which can therefore be collected while the thread sleeps.
        weakref.finalize(self, self._worker.finish).atexit = False

    @property
    def config(self) -> BatchConfig:
        """The limits."""
        return self._worker.config

    @property
    def metrics(self) -> BatchMetrics:
        """What it did up to now."""
        return self._worker.metrics()

    @property
    def closed(self) -> bool:
        """Whether it refuses requests."""
        return self._worker.closed

    def submit(self, item: Item) -> Future[Result]:
        """Let an item wait for its batch and return its future at once.

        ``future.cancel()`` works until there is a result: an item that has not started is not run, the result of one
        that has is thrown away.

        Raises
        ------
        workbench.errors.QueueFullError
            If ``max_queue`` requests wait.
        workbench.errors.ClosedError
            If the batcher was closed.
        workbench.errors.InputError
            If ``key`` fails for this item.
        """
        future: Future[Result] = Future()
        self._worker.submit(item, self._length(item), future)
        return future

    def __call__(self, item: Item) -> Result:
        """Wait for the result of an item and return it; raise what the function raised for it.

        Raises
        ------
        workbench.errors.QueueFullError, workbench.errors.ClosedError, workbench.errors.InputError
            As :meth:`submit`, and where the function itself calls its batcher, which would wait for ever.
        """
        if self._worker.here():
            raise InputError("The function of a batcher cannot wait for its own batcher: it would do so for ever.")
        future = self.submit(item)
        try:
            return future.result()
        except BaseException:  # this caller was interrupted, and nobody is left who wants the result
            future.cancel()
            raise

    async def arun(self, item: Item) -> Result:
        """Await the result of an item, from any event loop; a task that is cancelled gives its request up.

        Raises
        ------
        workbench.errors.QueueFullError, workbench.errors.ClosedError, workbench.errors.InputError
            As :meth:`submit`.
        """
        reply: LoopReply[Result] = LoopReply()
        self._worker.submit(item, self._length(item), reply)
        return await reply.waiter

    def close(self) -> None:
        """Run at once what waits, wait until all of it is answered, and refuse what comes later."""
        self._worker.finish()
        self._worker.join()

    async def aclose(self) -> None:
        """Close without blocking the event loop; as :meth:`close`."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Batcher[Item, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Batcher[Item, Result]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        config, metrics = self.config, self.metrics
        padding = "" if metrics.padding is None else f", padding {format_share(metrics.padding)}"
        return (
            f"Batcher: at most {config.max_batch_size} together, none older than {config.max_wait_ms:g} ms; "
            f"{metrics.heading}{padding}{'; closed' if self.closed else ''}"
        )

    def _length(self, item: Item) -> float:
        if self._key is None:
            return 0.0
        try:
            length: Any = float(self._key(item))
        except Exception as error:
            raise InputError(
                f"The key of this batcher gives no length for an item of type {type(item).__name__}: "
                f"{type(error).__name__}: {error}. It must return a number."
            ) from error
        if not 0 <= length < math.inf:
            raise InputError(f"The key of this batcher gives {length} as a length; it must be 0 or more, and finite.")
        return float(length)
