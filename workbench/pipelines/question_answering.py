"""Question answering: the passage of a context that answers a question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

import numpy as np

from workbench.errors import InputError

from .computing import Opening
from .encoder_task import Array, Asked, EncoderTask, Job
from .questions import checked_pairs
from .results import Answer, Results
from .spans import passages
from .texts import checked_top_k, which, whole_number, yes_or_no
from .windows import merged, whole

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .arguments import Asking
    from .engines.engine import Batch

_WINDOW = 384
"""Tokens of the windows on which models are trained for SQuAD, in BERT's own code and transformers' alike."""
_IMPOSSIBLE = "handle_impossible_answer"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How questions are answered; see :class:`QuestionAnswering`."""

    top_k: int | None = None
    max_answer_len: int = 15
    impossible: bool = False


One = TypeVar("One")
"""What one question gets: without ``top_k`` an answer, and with it a list of them."""


class QuestionAnswering(EncoderTask[AnswerOptions], Generic[One]):
    """Answers in the words of a context, of which long ones are read in windows.

    Parameters
    ----------
    model, how
        As for :class:`~workbench.pipelines.encoder_task.EncoderTask`.
    truncation
        What becomes of a context that is too long: ``"window"`` reads it in windows that overlap, ``"error"`` refuses
        it.
    window
        Most tokens of a window, the question among them; what the model takes, 384 at the most, if None.
    stride
        Tokens of the context that two windows share; a quarter of a window, 128 at the most, if None. With at least
        ``max_answer_len`` of them every passage stands in one window as a whole.
    top_k
        So many answers to each question, best first; the best one alone if None. Answers may overlap.
    max_answer_len
        Most tokens of an answer, which is then widened to whole words.
    handle_impossible_answer
        Whether "no answer", an empty text, is given where that is the likeliest.
    """

    task = "question-answering"
    head = "spans"
    splits = 1

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        truncation: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        top_k: int | None = None,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
    ) -> None:
        window = _WINDOW if window is None else whole_number("window", window, 1)
        length = whole_number("max_answer_len", max_answer_len, 1)
        self._options = AnswerOptions(checked_top_k(top_k), length, yes_or_no(_IMPOSSIBLE, handle_impossible_answer))
        super().__init__(model, how, truncation=truncation, stride=stride, longest=window)

    @overload
    def __call__(self, pairs: tuple[str, str], *, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    def __call__(self, pairs: str, context: str, *, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    def __call__(self, *, question: str, context: str, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    def __call__(
        self, pairs: Iterable[tuple[str, str]], *, top_k: None = None, **more: Unpack[Asking]
    ) -> Results[One]: ...
    @overload
    def __call__(
        self,
        pairs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        top_k: int | None = None,
        **more: Unpack[Asking],
    ) -> Any: ...
    def __call__(
        self,
        pairs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        top_k: int | None = None,
        max_answer_len: int | None = None,
        handle_impossible_answer: bool | None = None,
    ) -> Any:
        """Answer questions.

        Parameters
        ----------
        pairs
            A question with its context as a tuple, or a list of them; or a question, whose context comes second.
        context, question
            The same as two texts, or two lists of as many; one text beside a list goes with each of it.
        top_k, max_answer_len, handle_impossible_answer
            As for the pipeline, for this call.

        Returns
        -------
        Answer or Results
            For one question an :class:`~workbench.pipelines.results.Answer`, with ``top_k`` a list of them; for many a
            list of these in the same order. Places are in characters of the whole context.

        Raises
        ------
        workbench.errors.InputError
            If something is no text or gives no token, if numbers of questions and contexts differ, if a question leaves
            no room for its context, or the context is too long with ``truncation="error"``.
        workbench.errors.RunError
            If the engine fails.
        """
        return self.run(
            self._asked(
                pairs,
                (question, context),
                top_k=top_k,
                max_answer_len=max_answer_len,
                impossible=handle_impossible_answer,
            )
        )

    @overload
    async def arun(self, pairs: tuple[str, str], *, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    async def arun(self, pairs: str, context: str, *, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    async def arun(self, *, question: str, context: str, top_k: None = None, **more: Unpack[Asking]) -> One: ...
    @overload
    async def arun(
        self, pairs: Iterable[tuple[str, str]], *, top_k: None = None, **more: Unpack[Asking]
    ) -> Results[One]: ...
    @overload
    async def arun(
        self,
        pairs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        top_k: int | None = None,
        **more: Unpack[Asking],
    ) -> Any: ...
    async def arun(
        self,
        pairs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        top_k: int | None = None,
        max_answer_len: int | None = None,
        handle_impossible_answer: bool | None = None,
    ) -> Any:
        """Answer questions as a call does, awaited."""
        asked = self._asked(
            pairs,
            (question, context),
            top_k=top_k,
            max_answer_len=max_answer_len,
            impossible=handle_impossible_answer,
        )
        return await self.run_awaited(asked)

    def reduce(self, output: Array, batch: Batch) -> Array:
        """Return the logits of begin and end, for each token."""
        return output

    def answer(self, job: Job[AnswerOptions], kept: Sequence[Array]) -> Any:
        """Return the best passage, or several."""
        parts = job.parts or [whole(job.encoding, 1)]
        start, options, context = parts[0].head, job.options, job.text[1]
        logits = merged(parts, kept)
        stop = start + len(logits)
        special = job.encoding.special_tokens_mask[0] == 1
        numbers = job.encoding.word_ids[start:stop]
        words = np.arange(len(logits)) if None in numbers else np.array(numbers)
        found = passages(
            logits,
            np.stack([row[0] for row in kept]) if special else None,
            words,
            job.encoding.offsets[start:stop],
            top_k=options.top_k or 1,
            max_answer_len=options.max_answer_len,
            impossible=options.impossible and special,
        )
        answers = [Answer(context[one.start : one.end], one.start, one.end, one.score) for one in found]
        return answers[0] if options.top_k is None else Results(answers)

    def _jobs(self, asked: Asked[AnswerOptions]) -> list[Job[AnswerOptions]]:
        jobs = super()._jobs(asked)
        for place, job in enumerate(jobs):
            if 1 not in job.encoding.sequence_ids:
                raise InputError(
                    f"{which(asked.texts, place)} has a context that gives no token: {job.text[1]!a:.60}. Give a text."
                )
        return jobs

    def _asked(
        self,
        pairs: Any,
        sides: tuple[Any, Any],
        *,
        top_k: int | None,
        max_answer_len: int | None,
        impossible: bool | None,
    ) -> Asked[AnswerOptions]:
        options = self._options
        if top_k is not None:
            options = replace(options, top_k=checked_top_k(top_k))
        if max_answer_len is not None:
            options = replace(options, max_answer_len=whole_number("max_answer_len", max_answer_len, 1))
        if impossible is not None:
            options = replace(options, impossible=yes_or_no(_IMPOSSIBLE, impossible))
        return Asked(*checked_pairs(pairs, *sides), options)
