"""Feature extraction: texts as vectors, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args, overload

import numpy as np

import fused_kernels as fk
from workbench.errors import InputError
from workbench.text import did_you_mean, format_some

from .computing import Opening
from .encoder_task import Array, Asked, EncoderTask, Job
from .sentence_transformers import Pooling, read_recipe
from .texts import checked, yes_or_no

if TYPE_CHECKING:
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .engines.engine import Batch


Many = TypeVar("Many")
"""What many texts get: an array, and with ``pooling="none"`` a list of them."""


class FeatureExtraction(EncoderTask[None], Generic[Many]):
    """Embeddings of texts, as sentence-transformers makes them where its files are beside the model.

    Parameters
    ----------
    model, how
        As for :class:`~workbench.pipelines.encoder_task.EncoderTask`.
    truncation
        What becomes of a text that is too long: ``"warn"`` cuts it and says so, ``"error"`` refuses it.
    pooling
        What becomes of the tokens of a text: ``"mean"``, ``"cls"`` (the first), ``"last-token"``, or ``"none"``, which
        gives all of them. By sentence-transformers' configuration if None, and the mean without one. Layers that the
        configuration has after its own pooling are left out if another is asked for.
    normalize
        Whether an embedding has length 1; by the configuration if None, and not without one.
    prompt_name
        Which of the configuration's prompts stands before each text; its default one if None.
    """

    task = "feature-extraction"
    head = "hidden"

    def __init__(
        self,
        model: HuggingFaceModel,
        how: Opening,
        *,
        truncation: str | None = None,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        prompt_name: str | None = None,
    ) -> None:
        if pooling is not None and pooling not in get_args(Pooling):
            known = get_args(Pooling)
            raise InputError(
                f"pooling={pooling!r} is none of {', '.join(map(repr, known))}.{did_you_mean(pooling, known)}"
            )
        folder = model._source.path
        assert folder is not None
        self.recipe = recipe = read_recipe(folder, model.given, pooling=pooling)
        self.pooling: Pooling = recipe.pooling
        self.normalize = recipe.normalize if normalize is None else yes_or_no("normalize", normalize)
        self._prompt = self._prompt_of(prompt_name)
        super().__init__(model, how, truncation=truncation, longest=recipe.longest, lowercase=recipe.lowercase)

    @overload  # a str is an iterable of str, too, and goes with the first one
    def __call__(self, texts: str, *, prompt_name: str | None = None) -> Array: ...
    @overload
    def __call__(self, texts: Iterable[str], *, prompt_name: str | None = None) -> Many: ...
    def __call__(self, texts: Any, *, prompt_name: str | None = None) -> Any:
        """Embed texts.

        Parameters
        ----------
        texts
            A text, or a list of texts.
        prompt_name
            As for the pipeline, for this call: ``"query"``.

        Returns
        -------
        numpy.ndarray or list
            float32: for one text of shape (width,), for many (texts, width). With ``pooling="none"`` an array
            (tokens, width) for one text, special tokens among them, and a list of such for many.

        Raises
        ------
        workbench.errors.InputError
            If something is no text, gives no token, or is too long with ``truncation="error"``.
        workbench.errors.RunError
            If the engine fails.
        """
        return self.run(self._asked(texts, prompt_name))

    @overload
    async def arun(self, texts: str, *, prompt_name: str | None = None) -> Array: ...
    @overload
    async def arun(self, texts: Iterable[str], *, prompt_name: str | None = None) -> Many: ...
    async def arun(self, texts: Any, *, prompt_name: str | None = None) -> Any:
        """Embed texts as a call does, awaited."""
        return await self.run_awaited(self._asked(texts, prompt_name))

    def similarity(self, a: Any, b: Any = None) -> Any:
        """Return the cosine between texts.

        Parameters
        ----------
        a, b
            A text, a list of texts, or embeddings of shape (width,) or (texts, width). If ``b`` is None, those of ``a``
            are compared with each other.

        Returns
        -------
        float or numpy.ndarray
            From -1 to 1: a float for two single ones, else float32 of shape (texts of a, texts of b), without the axis
            of what is single.

        Examples
        --------
        >>> import workbench as wb
        >>> pipe = wb.pipeline("feature-extraction", "sample:tiny-bert")
        >>> pipe.similarity("A cat sat.", ["A kitten sat.", "Rates rose."]).shape
        (2,)
        """
        first = self._embedded(a)
        second = first if b is None else self._embedded(b)
        if first.shape[-1] != second.shape[-1]:
            raise InputError(
                f"Embeddings of width {first.shape[-1]} and {second.shape[-1]} cannot be compared. Give both from one "
                "model."
            )
        cosines = fk.cosine_similarity(np.atleast_2d(first), np.atleast_2d(second))
        found = cosines.reshape(first.shape[:-1] + second.shape[:-1])
        return float(found) if found.ndim == 0 else found

    def reduce(self, output: Array, batch: Batch) -> Array:
        """Return the embedding of each text, or its tokens."""
        pooled: Array
        if self.pooling == "none":
            pooled = output
        elif self.pooling == "mean":
            pooled = fk.mean_pool(output, batch.mask)
        elif self.pooling == "cls":
            pooled = np.ascontiguousarray(output[:, 0])
        else:
            pooled = output[np.arange(len(output)), batch.lengths - 1]
        for layer in self.recipe.dense:
            pooled = layer(pooled)
        return cast(Array, fk.l2_normalize(pooled)) if self.normalize else pooled

    def answer(self, job: Job[None], kept: Sequence[Array]) -> Array:
        """Return the embedding."""
        # a copy of the tokens: a view would keep those of the whole batch
        return kept[0][: len(job.pieces[0])].copy() if self.pooling == "none" else kept[0]

    def gather(self, answers: list[Array]) -> Any:
        """Return embeddings as one array."""
        return answers if self.pooling == "none" else np.stack(answers)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        dense = [f"{len(self.recipe.dense)} dense"] if self.recipe.dense else []
        steps = [f"pooling {self.pooling}", *dense, *(["length 1"] if self.normalize else [])]
        return [
            *super().facts,
            ("embedding", f"{', '.join(steps)} ({self.recipe.source})"),
            ("prompts", format_some(self.recipe.prompts)),
        ]

    def _embedded(self, given: Any) -> Array:
        if isinstance(given, np.ndarray) and given.dtype.kind not in "OTU":  # those are texts, or something refused
            if given.ndim not in (1, 2) or given.dtype.kind not in "fiu":
                raise InputError(
                    f"Got an array of shape {list(given.shape)}, {given.dtype}, to compare. Give texts, or embeddings "
                    "of shape (width,) or (texts, width)."
                )
            return np.ascontiguousarray(given, np.float32)
        if self.pooling == "none":
            raise InputError("Texts have no one embedding with pooling='none'. Open the pipeline with another pooling.")
        embeddings: Array = self(given)
        return embeddings

    def _prompt_of(self, name: str | None) -> str:
        name = self.recipe.prompt_name if name is None else name
        if name is None:
            return ""
        if name not in self.recipe.prompts:
            known = ", ".join(map(repr, self.recipe.prompts)) or "none"
            raise InputError(
                f"There is no prompt {name!r} in the configuration of this model."
                f"{did_you_mean(name, self.recipe.prompts)} It has: {known}."
            )
        return self.recipe.prompts[name]

    def _asked(self, texts: Any, prompt_name: str | None) -> Asked[None]:
        listed, one = checked(texts, pairs=False)
        prompt = self._prompt if prompt_name is None else self._prompt_of(prompt_name)
        if prompt:
            listed = [f"{prompt}{text}" for text in listed]
        return Asked(listed, one, None)
