"""What pipelines take by name, for editors and type checkers; the classes say more of it, and check it.

The options that decide on the type of an answer, ``top_k`` and ``pooling``, stand in the signatures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import os

    from workbench.models.cache import CacheConfig, ModelCache
    from workbench.models.export.step import Report

    from .batching import BatchConfig
    from .entities import Aggregation


class Shared(TypedDict, total=False):
    """Of all tasks: how the model is computed and loaded."""

    engine: str
    device: str
    quantization: str | None
    cache: CacheConfig | ModelCache | None
    batching: BatchConfig | None
    progress: Report | None
    revision: str | None
    cache_dir: str | os.PathLike[str] | None
    trust_remote_code: bool
    allow_pickle: bool


class Classifying(Shared, total=False):
    """Of text-classification."""

    truncation: str | None
    function_to_apply: str | None


class Tagging(Shared, total=False):
    """Of token-classification."""

    truncation: str | None
    stride: int | None
    aggregation_strategy: Aggregation
    ignore_labels: Sequence[str]


class Joining(TypedDict, total=False):
    """Of a call of token-classification."""

    aggregation_strategy: Aggregation | None
    ignore_labels: Sequence[str] | None


class Answering(Shared, total=False):
    """Of question-answering."""

    truncation: str | None
    window: int | None
    stride: int | None
    max_answer_len: int
    handle_impossible_answer: bool


class Asking(TypedDict, total=False):
    """Of a call of question-answering."""

    max_answer_len: int | None
    handle_impossible_answer: bool | None


class Embedding(Shared, total=False):
    """Of feature-extraction."""

    truncation: str | None
    normalize: bool | None
    prompt_name: str | None


class Writing(Shared, total=False):
    """Of text-generation: :class:`~workbench.pipelines.generation.options.GenerationOptions`, and of the template."""

    max_new_tokens: int | None
    min_new_tokens: int | None
    do_sample: bool | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    no_repeat_ngram_size: int | None
    stop: str | Sequence[str]
    seed: int | None
    chat_template_kwargs: Mapping[str, Any] | None
