"""Text classification: the label of a text, or of a pair of texts, with its score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

import fused_kernels as fk
from workbench.errors import InputError
from workbench.text import format_some

from .computing import Opening
from .encoder_task import Array, Asked, EncoderTask, Job
from .labels import label_names
from .results import Classification, Results
from .texts import Text, checked, checked_top_k

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .engines.engine import Batch

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": fk.softmax,
    "sigmoid": fk.sigmoid,
    "none": np.asarray,
}


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """How texts are classified.

    Parameters
    ----------
    top_k
        So many labels for each text, best first; None for the best one alone.
    """

    top_k: int | None = None


One = TypeVar("One")
"""What one text gets: without ``top_k`` a label, and with it a list of them."""


class TextClassification(EncoderTask[ClassifierOptions], Generic[One]):
    """Labels of texts, with scores from 0 to 1.

    Scores are the softmax of the logits where one label holds, the sigmoid of each where several may hold
    (``problem_type`` of the configuration is ``"multi_label_classification"``) or there is one label only, and the
    logits themselves for a regression, as in transformers' own pipeline.

    Parameters
    ----------
    model, how
        As for :class:`~workbench.pipelines.encoder_task.EncoderTask`.
    truncation
        What becomes of a text that is too long: ``"warn"`` cuts it and says so, ``"error"`` refuses it.
    function_to_apply
        What makes scores of logits, ``"softmax"``, ``"sigmoid"`` or ``"none"``; by the configuration if None.
    top_k
        So many labels for each text, best first; the best one alone if None.
    """

    task = "text-classification"
    head = "labels"

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        truncation: str | None = None,
        function_to_apply: str | None = None,
        top_k: int | None = None,
    ) -> None:
        self.function_to_apply = function_to_apply or _activation_of(model.config)
        if not isinstance(self.function_to_apply, str) or self.function_to_apply not in _ACTIVATIONS:
            raise InputError(
                f"function_to_apply={function_to_apply!r} is none of {', '.join(map(repr, _ACTIVATIONS))}."
            )
        self.labels = label_names(model.config)
        self._options = ClassifierOptions(checked_top_k(top_k))
        super().__init__(model, how, truncation=truncation)

    @overload  # a str is an iterable of str, too, and goes with the first one
    def __call__(self, texts: Text, *, top_k: None = None) -> One: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, texts: Iterable[Text], *, top_k: None = None) -> Results[One]: ...
    @overload
    def __call__(self, texts: Any, *, top_k: int) -> Any: ...
    def __call__(self, texts: Any, *, top_k: int | None = None) -> Any:
        """Classify texts.

        Parameters
        ----------
        texts
            A text; a pair of texts as a tuple; or a list of texts, of pairs, or of both.
        top_k
            So many labels for each text, best first; the best one alone if None, unless the pipeline was opened with
            another number.

        Returns
        -------
        Classification or Results
            For one text a :class:`~workbench.pipelines.results.Classification`, with ``top_k`` a list of them; for many
            a list of these in the same order.

        Raises
        ------
        workbench.errors.InputError
            If something is no text, gives no token, or is too long with ``truncation="error"``.
        workbench.errors.RunError
            If the engine fails.
        """
        return self.run(self._asked(texts, top_k))

    @overload
    async def arun(self, texts: Text, *, top_k: None = None) -> One: ...  # type: ignore[overload-overlap]
    @overload
    async def arun(self, texts: Iterable[Text], *, top_k: None = None) -> Results[One]: ...
    @overload
    async def arun(self, texts: Any, *, top_k: int) -> Any: ...
    async def arun(self, texts: Any, *, top_k: int | None = None) -> Any:
        """Classify texts as a call does, awaited."""
        return await self.run_awaited(self._asked(texts, top_k))

    def reduce(self, output: Array, batch: Batch) -> Array:
        """Return the scores of each text."""
        return _ACTIVATIONS[self.function_to_apply](output)

    def answer(self, job: Job[ClassifierOptions], kept: Sequence[Array]) -> Any:
        """Return the best label, or several."""
        scores, top_k = kept[0], job.options.top_k
        if top_k is None:
            place = int(scores.argmax())
            return Classification(self.labels[place], float(scores[place]))
        order = (-scores).argsort(kind="stable")[:top_k]
        return Results([Classification(self.labels[place], float(scores[place])) for place in order.tolist()])

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        return [*super().facts, ("labels", format_some(self.labels, 8))]

    def _asked(self, texts: Any, top_k: int | None) -> Asked[ClassifierOptions]:
        options = self._options if top_k is None else replace(self._options, top_k=checked_top_k(top_k))
        return Asked(*checked(texts), options)


def _activation_of(config: Mapping[str, Any]) -> str:
    """Return what makes scores of logits, by transformers' rule."""
    kind, labels = config.get("problem_type"), len(label_names(config))
    if kind == "regression":
        return "none"
    return "sigmoid" if kind == "multi_label_classification" or labels == 1 else "softmax"
