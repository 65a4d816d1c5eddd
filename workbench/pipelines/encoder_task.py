"""What the tasks of encoders share: texts to tokens, tokens through an engine, and answers back to who asked."""

from __future__ import annotations

import math
import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, cast

import numpy as np

from workbench.errors import InputError, RunError
from workbench.models.awaited import Stop, awaited

from .batched import answers, answers_awaited
from .batching import Batcher, BatchMetrics
from .computing import Opening
from .engines.choose import open_engine
from .engines.engine import Batch, Engine, Head
from .engines.schedule import compute
from .task import Pipeline
from .texts import Text, which
from .tokens import Tokens
from .truncation import check_stride, check_truncation, warn_of_the_cut
from .windows import Encoded, Window, room, shortened, windows

if TYPE_CHECKING:
    from tokenizers import Encoding

    from workbench.models.formats.huggingface import HuggingFaceModel

Options = TypeVar("Options")
"""What a call may choose: a record of each task's own."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Asked(Generic[Options]):
    """What a caller wants.

    Parameters
    ----------
    texts
        One or more.
    one
        Whether it was one only, whose answer stands alone.
    options
        How it is to be answered.
    """

    texts: list[Text]
    one: bool
    options: Options


@dataclass(frozen=True, slots=True)
class Job(Generic[Options]):
    """One text on its way through the engine.

    Parameters
    ----------
    text
        The text.
    encoding
        Its tokens, all of them.
    pieces
        What is computed: the same, or less of it, or windows.
    options
        How it is to be answered.
    parts
        The windows that the pieces are; None if they are none.
    """

    text: Text
    encoding: Encoding
    pieces: Sequence[Encoded]
    options: Options
    parts: list[Window] | None = None


class EncoderTask(Pipeline, Generic[Options]):
    """A task whose model reads texts.

    Parameters
    ----------
    model
        The checkpoint.
    how
        How it is computed.
    truncation
        What becomes of texts that are too long: see :mod:`workbench.pipelines.truncation`; what the task does best if
        None.
    stride
        Tokens that a window shares with the next one.
    longest
        Most tokens of a text or window, beside the limits of the model and its tokenizer.
    lowercase
        Whether texts are taken in small letters.
    """

    head: ClassVar[Head]
    splits: ClassVar[Literal[0, 1] | None] = None
    """Which text, of a pair the first (0) or the second (1), is split into windows; None if none can be."""
    engine: Engine

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        truncation: str | None = None,
        stride: int | None = None,
        longest: int | None = None,
        lowercase: bool = False,
    ) -> None:
        self.truncation = check_truncation(truncation, windows=self.splits is not None)
        self.tokens = Tokens.of(model, longest=longest, lowercase=lowercase)
        self.stride = check_stride(stride, self.tokens.longest)
        super().__init__(model, open_engine(model, self.head, how))
        self._batcher: Batcher[Job[Options], Any] | None = None
        if how.batching is not None:
            compute_all = weakref.WeakMethod(self._compute)  # the batcher's thread must not keep the pipeline alive

            def together(jobs: list[Job[Options]]) -> list[Any]:
                return cast(Callable[..., list[Any]], compute_all())(jobs)

            self._batcher = Batcher(together, how.batching, key=_length, name=f"workbench-{self.task}")

    @abstractmethod
    def reduce(self, output: Array, batch: Batch) -> Array:
        """Return of an engine's output what is kept, a row for each text; called in several threads."""

    @abstractmethod
    def answer(self, job: Job[Options], kept: Sequence[Array]) -> Any:
        """Return the answer for a text, from what was kept of its pieces."""

    def gather(self, answers: list[Any]) -> Any:
        """Return the answers for many texts as one value."""
        from .results import Results

        return Results(answers)

    @property
    def metrics(self) -> BatchMetrics | None:
        """What its batcher did up to now; None without one."""
        return None if self._batcher is None else self._batcher.metrics

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        longest = self.tokens.longest
        rules = {"window": f"windows that share {self.stride}", "warn": "cut, with a warning", "error": "refused"}
        batching = "" if self._batcher is None else f"at most {self._batcher.config.max_batch_size} together"
        return [
            *super().facts,
            ("longest", f"{longest} tokens; what is longer: {rules[self.truncation]}" if longest else "no limit"),
            ("batching", batching),
        ]

    def close(self) -> None:
        """Answer what was taken, give the engine back, and refuse what comes later."""
        if self._batcher is not None:
            self._batcher.close()
        super().close()

    def run(self, asked: Asked[Options]) -> Any:
        """Answer."""
        jobs = self._jobs(asked)
        found = self._compute(jobs) if self._batcher is None else answers(self._batcher, jobs)
        return found[0] if asked.one else self.gather(found)

    async def run_awaited(self, asked: Asked[Options]) -> Any:
        """Answer without keeping the event loop."""
        if self._batcher is None:
            return await awaited(lambda stop: self._stoppable(asked, stop))
        # a text takes less than going to another thread; many take long enough to be noticed
        jobs = self._jobs(asked) if asked.one else await awaited(lambda stop: self._jobs(asked))
        found = await answers_awaited(self._batcher, jobs)
        return found[0] if asked.one else self.gather(found)

    def _stoppable(self, asked: Asked[Options], stop: Stop) -> Any:
        found = self._compute(self._jobs(asked), cancelled=lambda: stop.requested)
        return found[0] if asked.one else self.gather(found)

    def _jobs(self, asked: Asked[Options]) -> list[Job[Options]]:
        """Return texts with their tokens; say it once for all that were cut."""
        self._check_open()
        texts, longest = asked.texts, self.tokens.longest
        jobs: list[Job[Options]] = []
        cut: list[tuple[int, int]] = []
        for place, (text, encoding) in enumerate(zip(texts, self.tokens.encode(texts), strict=True)):
            if longest is None or len(encoding) <= longest:
                jobs.append(Job(text, encoding, (encoding,), asked.options))
            elif self.truncation == "window":
                jobs.append(self._split(text, encoding, asked, longest, place))
            elif self.truncation == "warn":
                piece, dropped = shortened(encoding, longest, left=self.tokens.cuts_left)
                cut.append((place, dropped))
                jobs.append(Job(text, encoding, (piece,), asked.options))
            else:
                raise InputError(
                    f"{which(texts, place)} has {len(encoding)} tokens, and the model takes at most {longest}. Cut it, "
                    f"or open the pipeline with truncation={'warn' if self.splits is None else 'window'!r}."
                )
        if longest is not None and cut:
            warn_of_the_cut(texts, cut, longest, left=self.tokens.cuts_left)
        return jobs

    def _split(self, text: Text, encoding: Encoding, asked: Asked[Options], longest: int, place: int) -> Job[Options]:
        assert self.splits is not None
        if room(encoding, longest, self.splits) <= self.stride:
            raise InputError(
                f"{which(asked.texts, place)} leaves no room for its text: of the {longest} tokens of a window, "
                f"{longest - room(encoding, longest, self.splits)} go to {'the question and ' * self.splits}the tokens "
                f"around it, and two windows share {self.stride}. "
                f"{'Shorten the question, or g' if self.splits else 'G'}ive a smaller stride."
            )
        parts = windows(encoding, longest, self.stride, self.splits)
        return Job(text, encoding, [part.tokens for part in parts], asked.options, parts)

    def _compute(self, jobs: list[Job[Options]], cancelled: Callable[[], bool] | None = None) -> list[Any]:
        pieces = [piece for job in jobs for piece in job.pieces]
        kept: list[Any] = [None] * len(pieces)

        def finish(output: Array, batch: Batch, places: Sequence[int]) -> None:
            reduced = self.reduce(output, batch)
            if not math.isfinite(reduced.sum()):
                self._check_numbers(reduced, batch)
            for place, value in zip(places, reduced, strict=True):
                kept[place] = value

        errors = compute(self.engine, pieces, finish, cancelled=cancelled)
        if errors:
            self._check_open()  # else the engine was closed under it, which is no error of its own
            raise errors[min(errors)]
        if cancelled is not None and cancelled():
            raise CancelledError
        found, begin = [], 0
        for job in jobs:
            found.append(self.answer(job, kept[begin : begin + len(job.pieces)]))
            begin += len(job.pieces)
        return found

    def _check_numbers(self, reduced: Array, batch: Batch) -> None:
        """Refuse what is no number, of which there would be a label, or no name at all; at padding it means nothing."""
        if not np.isfinite(reduced if reduced.ndim == 2 else reduced[batch.mask == 1]).all():
            raise RunError(
                f"{self.model.given} gives NaN or infinite numbers, for texts of up to {batch.ids.shape[1]} tokens. "
                "Its weights may have such themselves (model.tensors[name].stats() tells); if numbers of a small dtype "
                "overflow, load a checkpoint in float32, or leave device= out, which computes in float32."
            )


def _length(job: Job[Any]) -> float:
    return float(sum(map(len, job.pieces)))
