"""A text as it is written: an iterator and an async iterator of its pieces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from types import TracebackType

from workbench.pipelines.results import Generation

from .decoding import Decoding


class TextStream:
    """The pieces of a text, each computed when it is asked for.

    Nothing runs ahead of the reader: ``for`` computes in the reader's own thread, ``async for`` in a thread of the
    pipeline. So whoever leaves the loop has stopped the work; at the most the token under way is still computed.

    Parameters
    ----------
    begin
        Prepares what writes the text; called with the first piece.
    prompt
        What is continued.
    thread
        Gives the thread in which an event loop lets it compute.
    check
        Raises an error before a piece if there can be none any more.

    Notes
    -----
    ::

        for piece in pipe.stream("Once upon a time"):
            print(piece, end="")

        async for piece in pipe.stream("Once upon a time"):
            print(piece, end="")
    """

    def __init__(
        self,
        begin: Callable[[], Decoding],
        prompt: str,
        *,
        thread: Callable[[], Executor],
        check: Callable[[], None],
    ) -> None:
        self._begin, self._thread, self._check = begin, thread, check
        self._decoding: Decoding | None = None
        self._made = Generation("", prompt, 0, "cancelled")
        self._read: list[str] = []
        self._left = False
        self._computing = threading.Lock()

    def __iter__(self) -> TextStream:
        return self

    def __next__(self) -> str:
        piece = self._compute()
        if piece is None:
            raise StopIteration
        self._read.append(piece)
        return piece

    def __aiter__(self) -> TextStream:
        return self

    async def __anext__(self) -> str:
        try:
            piece = await asyncio.get_running_loop().run_in_executor(self._thread(), self._compute)
        except asyncio.CancelledError:
            self.close()
            raise
        if piece is None:
            raise StopAsyncIteration
        self._read.append(piece)
        return piece

    @property
    def result(self) -> Generation:
        """What was read. Leaves the stream if it has not ended; ``finish`` is ``"cancelled"`` then."""
        self._left = True
        with self._computing:
            self._let_go()
        text = "".join(self._read)
        return self._made if self._made.text == text else replace(self._made, text=text, finish="cancelled")

    def close(self) -> None:
        """Stop the work; what is being computed in another thread ends with its token."""
        self._left = True
        if self._computing.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._computing.release()

    async def aclose(self) -> None:
        """Stop the work; as :meth:`close`, which never waits."""
        self.close()

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> TextStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._left = True  # a thread that computes for it refers to it, so there is none

    def __repr__(self) -> str:
        return f"TextStream: {len(''.join(self._read))} characters read{', left' if self._left else ''}"

    def _compute(self) -> str | None:
        """Return the next piece; None at the end. One thread computes at a time."""
        with self._computing:
            try:
                while not self._left:
                    self._check()
                    self._decoding = self._decoding or self._begin()
                    (piece,) = self._decoding.step()
                    self._left = self._left or self._decoding.done
                    if piece:
                        return piece
            except BaseException:  # an interrupt may come in the middle of a step, after which there is no going on
                self._left = True
                raise
            finally:
                if self._left:
                    self._let_go()
            return None

    def _let_go(self) -> None:
        """Keep what was made, and give back the memory of the model's past."""
        if self._decoding is not None:
            (self._made,) = self._decoding.results()
            self._decoding = None
