"""Text generation: what a model writes after a prompt, whole or as a stream."""

from __future__ import annotations

import os
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, overload

from workbench.errors import InputError, TruncationWarning
from workbench.models.awaited import awaited

from .batched import answers, answers_awaited
from .batching import Batcher
from .generation.choose import QUANTIZATIONS, open_decoder
from .generation.decoding import Decoding
from .generation.options import GenerationOptions, merged, option_names, options_of
from .generation.prompts import Message, Prompt, PromptReader, is_conversation, prompts_of
from .generation.stream import TextStream
from .generation.together import write
from .results import Generation, Results
from .task import Pipeline
from .truncation import outside

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .batching import BatchMetrics
    from .computing import Opening
    from .generation.decoder import Decoder

_AT_ONCE = 4
"""So many streams are computed at a time for event loops. With 12 layers of 576 on torch and two cores, four streams
took all the time of one after the other with one thread, and 0.59 of it with two."""


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt on its way, and how it is to be continued."""

    prompt: Prompt
    options: GenerationOptions


class TextGeneration(Pipeline):
    """Texts that continue prompts, or answer the last message of a conversation.

    Parameters
    ----------
    model
        The checkpoint.
    how
        Engine, device and the rest of what every pipeline is opened with. With ``batching``, prompts of many callers
        are continued together if their options are equal.
    chat_template_kwargs
        What the chat template is given beside the messages, such as ``{"enable_thinking": False}``.
    **options
        Those of calls that do not give their own, by the names of
        :class:`~workbench.pipelines.generation.options.GenerationOptions`.
    """

    task = "text-generation"
    quantizations = QUANTIZATIONS
    engine: Decoder

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        options_of(options)
        decoder = open_decoder(model, how)
        super().__init__(model, decoder)
        vocabulary = model.config.get("vocab_size")
        self.reader = PromptReader(
            model.tokenizer._tokenizer,
            model.given,
            decoder.first,
            vocabulary if isinstance(vocabulary, int) else None,
        )
        self._given, self._template = options, dict(chat_template_kwargs or {})
        self._batcher: Batcher[Job, Generation] | None = None
        if how.batching is not None:
            write_several = weakref.WeakMethod(self._write_several)  # the batcher's thread must not keep it alive

            def together(jobs: list[Job]) -> list[Generation | BaseException]:
                return cast(Callable[..., list[Generation | BaseException]], write_several())(jobs)

            self._batcher = Batcher(together, how.batching, key=_length, name=f"workbench-{self.task}")
        self._threads: ThreadPoolExecutor | None = None

    @classmethod
    def options(cls) -> list[str]:
        """Return the names of its own options."""
        return [*option_names(), "chat_template_kwargs"]

    @overload  # a str is an iterable of str, too, and goes with the first one
    def __call__(self, prompt: str | Sequence[Message], **options: Any) -> Generation: ...
    @overload
    def __call__(self, prompt: Iterable[str | Sequence[Message]], **options: Any) -> Results[Generation]: ...
    def __call__(self, prompt: Any, **options: Any) -> Any:
        """Continue one prompt, or many; those given together are computed together, and each text is as it is alone.

        Parameters
        ----------
        prompt
            A text; or the messages of a conversation, ``[{"role": "user", "content": "Hello"}]``, for a model with a
            chat template: it answers the last one, or goes on with it if its role is ``"assistant"``. Or a list of
            these.
        **options
            Those of :class:`~workbench.pipelines.generation.options.GenerationOptions`.

        Returns
        -------
        Generation or Results
            For one prompt a :class:`~workbench.pipelines.results.Generation`, for a list of them a list in the same
            order.

        Raises
        ------
        workbench.errors.InputError
            If something is no prompt, is too long for the model, or an option cannot be.
        workbench.errors.RunError
            If the model fails.
        """
        jobs, one = self._jobs(prompt, options)
        return _answer(self._write(jobs) if self._batcher is None else answers(self._batcher, jobs), one)

    @overload
    async def arun(self, prompt: str | Sequence[Message], **options: Any) -> Generation: ...
    @overload
    async def arun(self, prompt: Iterable[str | Sequence[Message]], **options: Any) -> Results[Generation]: ...
    async def arun(self, prompt: Any, **options: Any) -> Any:
        """Continue prompts as a call does, awaited; a task that is cancelled stops the work within a token."""
        if self._batcher is None:

            def work(stop: Any) -> Any:
                jobs, one = self._jobs(prompt, options)
                return _answer(self._write(jobs, lambda: bool(stop.requested)), one)

            return await awaited(work)
        jobs, one = self._jobs(prompt, options)
        return _answer(await answers_awaited(self._batcher, jobs), one)

    def stream(self, prompt: str | Sequence[Message], **options: Any) -> TextStream:
        """Continue a prompt, and give the text in pieces as it is written, to ``for`` or ``async for``.

        Leaving the loop stops the work. The pieces together are the text that a call gives, and
        :attr:`~workbench.pipelines.generation.stream.TextStream.result` has it.

        Parameters
        ----------
        prompt, **options
            As for a call; one prompt.

        Raises
        ------
        workbench.errors.InputError
            At once, if something is wrong with them.
        """
        if not isinstance(prompt, str) and not is_conversation(prompt):
            raise InputError(
                f"A stream continues one prompt: a str, or messages; got {type(prompt).__name__}. Open one for each, "
                "and read them at once; or give the list to pipe(...)."
            )
        (job,), _ = self._jobs(prompt, options)

        def begin() -> Decoding:
            limit = self.engine.limit(len(job.prompt.ids), job.options)
            return Decoding(self.engine, self.reader, [job.prompt], job.options, [limit])

        return TextStream(begin, job.prompt.text, thread=self._thread, check=self._check_open)

    @property
    def metrics(self) -> BatchMetrics | None:
        """What its batcher did up to now; None without one."""
        return None if self._batcher is None else self._batcher.metrics

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        longest = self.engine.longest
        batching = "" if self._batcher is None else f"at most {self._batcher.config.max_batch_size} together"
        return [
            *super().facts,
            ("longest", f"{longest} tokens, of prompt and text together" if longest else "no limit"),
            ("batching", batching),
        ]

    def close(self) -> None:
        """Answer what was taken, give the engine back, and refuse what comes later; streams end."""
        if self._batcher is not None:
            self._batcher.close()
        super().close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _jobs(self, prompt: Any, given: Mapping[str, Any]) -> tuple[list[Job], bool]:
        """Return what is to be written, and whether it is one text only."""
        self._check_open()
        options = options_of(merged(self._given, given))
        given_as, one = prompts_of(prompt)
        prompts = [self.reader.read(each, self._template) for each in given_as]
        self._check_room(prompts, options)
        return [Job(each, options) for each in prompts], one

    def _check_room(self, prompts: Sequence[Prompt], options: GenerationOptions) -> None:
        longest = self.engine.longest
        if longest is None:
            return
        width = max(len(prompt.ids) for prompt in prompts)
        if width >= longest:
            raise InputError(
                f"A prompt has {width} tokens, and {self.model.given} has positions for {longest}, of prompt and text "
                "together. Cut the prompt."
            )
        if options.max_new_tokens is not None and width + options.max_new_tokens > longest:
            warnings.warn(
                f"max_new_tokens={options.max_new_tokens}, but beside a prompt of {width} tokens the model has "
                f"positions for {longest - width} more: the text ends there at the latest. Cut the prompt, or ask for "
                "less.",
                TruncationWarning,
                stacklevel=outside(),
            )

    def _write(self, jobs: Sequence[Job], cancelled: Callable[[], bool] = lambda: False) -> list[Generation]:
        return write(self.engine, self.reader, [job.prompt for job in jobs], jobs[0].options, cancelled)

    def _write_several(self, jobs: list[Job]) -> list[Generation | BaseException]:
        """Answer requests of several callers: those with equal options go together."""
        alike: dict[GenerationOptions, list[int]] = defaultdict(list)
        for place, job in enumerate(jobs):
            alike[job.options].append(place)
        written: dict[int, Generation | BaseException] = {}
        for places in alike.values():
            try:
                texts: Sequence[Any] = self._write([jobs[place] for place in places])
            except Exception as error:
                texts = [error] * len(places)
            written.update(zip(places, texts, strict=True))
        return [written[place] for place in range(len(jobs))]

    def _thread(self) -> Executor:
        """Return where streams that an event loop reads are computed."""
        self._check_open()
        if self._threads is None:
            workers = min(_AT_ONCE, os.cpu_count() or 1)
            self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"workbench-{self.task}")
        return self._threads


def _answer(texts: list[Generation], one: bool) -> Any:
    return texts[0] if one else Results(texts)


def _length(job: Job) -> float:
    return float(len(job.prompt.ids))
