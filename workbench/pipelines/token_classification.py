"""Token classification: the names in a text, or the kind of each of its tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack, cast, get_args, overload

import fused_kernels as fk
from workbench.errors import InputError
from workbench.text import did_you_mean, format_some

from .computing import Opening
from .encoder_task import Array, Asked, EncoderTask, Job
from .entities import Aggregation, Kinds, entities, word_starts
from .labels import label_names
from .results import Entities, Results
from .texts import checked
from .windows import merged, whole

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .arguments import Joining
    from .engines.engine import Batch


@dataclass(frozen=True, slots=True)
class EntityOptions:
    """How tokens become entities; see :class:`TokenClassification`."""

    aggregation_strategy: Aggregation = "simple"
    ignore_labels: tuple[str, ...] = ("O",)


class TokenClassification(EncoderTask[EntityOptions]):
    """Names in texts, of which long ones are read in windows.

    Parameters
    ----------
    model, how
        As for :class:`~workbench.pipelines.encoder_task.EncoderTask`.
    truncation
        What becomes of a text that is too long: ``"window"`` reads it in windows that overlap, ``"error"`` refuses it.
    stride
        Tokens that two windows share; a quarter of a window, 128 at the most, if None. Each token is judged in the
        window in which it has most of its neighbours.
    aggregation_strategy
        How the labels of tokens become entities: ``"none"`` (each token is one, with its label as it is), ``"simple"``
        (neighbours of one kind are joined), and ``"first"``, ``"average"``, ``"max"``, which let all tokens of a word
        agree before: on the label of its first token, of the mean of their scores, or of its surest token.
    ignore_labels
        Labels that are no entities.
    """

    task = "token-classification"
    head = "token-labels"
    splits = 0

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        truncation: str | None = None,
        stride: int | None = None,
        aggregation_strategy: Aggregation = "simple",
        ignore_labels: Sequence[str] = ("O",),
    ) -> None:
        self.labels = label_names(model.config)
        self._kinds = Kinds.of(self.labels)
        self._options = EntityOptions(_checked_strategy(aggregation_strategy), _checked_labels(ignore_labels))
        super().__init__(model, how, truncation=truncation, stride=stride)

    @overload  # a str is an iterable of str, too, and goes with the first one
    def __call__(self, texts: str, **more: Unpack[Joining]) -> Entities: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, texts: Iterable[str], **more: Unpack[Joining]) -> Results[Entities]: ...
    def __call__(
        self, texts: Any, *, aggregation_strategy: Aggregation | None = None, ignore_labels: Sequence[str] | None = None
    ) -> Any:
        """Find the entities of texts.

        Parameters
        ----------
        texts
            A text, or a list of texts.
        aggregation_strategy, ignore_labels
            As for the pipeline, for this call.

        Returns
        -------
        Entities or Results
            For one text its :class:`~workbench.pipelines.results.Entities`, for many a list of these in the same order.
            Scores are those of the tokens, or words, of an entity in the mean; a word is ``text[start:end]``.

        Raises
        ------
        workbench.errors.InputError
            If something is no text, gives no token, or is too long with ``truncation="error"``.
        workbench.errors.RunError
            If the engine fails.
        """
        return self.run(self._asked(texts, aggregation_strategy, ignore_labels))

    @overload
    async def arun(self, texts: str, **more: Unpack[Joining]) -> Entities: ...  # type: ignore[overload-overlap]
    @overload
    async def arun(self, texts: Iterable[str], **more: Unpack[Joining]) -> Results[Entities]: ...
    async def arun(
        self, texts: Any, *, aggregation_strategy: Aggregation | None = None, ignore_labels: Sequence[str] | None = None
    ) -> Any:
        """Find the entities of texts as a call does, awaited."""
        return await self.run_awaited(self._asked(texts, aggregation_strategy, ignore_labels))

    def reduce(self, output: Array, batch: Batch) -> Array:
        """Return the scores of each token."""
        scores: Array = fk.softmax(output)
        return scores

    def answer(self, job: Job[EntityOptions], kept: Sequence[Array]) -> Entities:
        """Return the entities of a text."""
        text, options = cast(str, job.text), job.options
        parts = job.parts or [whole(job.encoding)]
        scores = merged(parts, kept)
        start = parts[0].head
        stop = start + len(scores)
        starts = None
        if options.aggregation_strategy not in ("none", "simple"):
            starts = word_starts(self.tokens, job.encoding, text, start, stop)
        offsets = job.encoding.offsets[start:stop]
        found = entities(
            text,
            offsets,
            scores,
            starts,
            kinds=self._kinds,
            aggregation=options.aggregation_strategy,
            ignored=options.ignore_labels,
        )
        return Entities(text, found)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        return [
            *super().facts,
            ("labels", format_some(self.labels, 12)),
            ("joined", self._options.aggregation_strategy),
        ]

    def _asked(
        self, texts: Any, aggregation_strategy: Aggregation | None, ignore_labels: Sequence[str] | None
    ) -> Asked[EntityOptions]:
        options = self._options
        if aggregation_strategy is not None:
            options = replace(options, aggregation_strategy=_checked_strategy(aggregation_strategy))
        if ignore_labels is not None:
            options = replace(options, ignore_labels=_checked_labels(ignore_labels))
        return Asked(*checked(texts, pairs=False), options)


def _checked_strategy(given: Any) -> Aggregation:
    known = get_args(Aggregation)
    if given not in known:
        raise InputError(
            f"aggregation_strategy={given!r} is none of {', '.join(map(repr, known))}.{did_you_mean(given, known)}"
        )
    return cast(Aggregation, given)


def _checked_labels(given: Any) -> tuple[str, ...]:
    if not isinstance(given, Collection) or isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise InputError(f"ignore_labels must be a list of labels, such as ['O'], got {given!r}.")
    return tuple(given)
