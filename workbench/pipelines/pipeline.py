"""``pipeline``: from a task and a model to something that answers texts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, Unpack, overload

from workbench.errors import InputError
from workbench.models.formats.huggingface.building import architecture_of
from workbench.text import did_you_mean

from .computing import Opening

if TYPE_CHECKING:
    import os

    from workbench.models.cache import CacheConfig, ModelCache
    from workbench.models.export.step import Report
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .arguments import Answering, Classifying, Embedding, Tagging, Writing
    from .batching import BatchConfig
    from .encoder_task import Array
    from .feature_extraction import FeatureExtraction
    from .question_answering import QuestionAnswering
    from .results import Answer, Classification, Results
    from .task import Pipeline
    from .text_classification import TextClassification
    from .text_generation import TextGeneration
    from .token_classification import TokenClassification

Source: TypeAlias = "str | os.PathLike[str] | HuggingFaceModel"


class _Task(NamedTuple):
    """Where the class of a task is, and for which architectures it is: the ends of their names."""

    home: str
    ends: tuple[str, ...]


_TASKS = {
    "text-classification": _Task("text_classification.TextClassification", ("ForSequenceClassification",)),
    "token-classification": _Task("token_classification.TokenClassification", ("ForTokenClassification",)),
    "question-answering": _Task(
        "question_answering.QuestionAnswering", ("ForQuestionAnswering", "ForQuestionAnsweringSimple")
    ),
    "text-generation": _Task("text_generation.TextGeneration", ("ForCausalLM", "LMHeadModel")),
    "feature-extraction": _Task("feature_extraction.FeatureExtraction", ("Model", "ForMaskedLM")),
}
"""By name. The last one takes any architecture, and is made for those."""
_ALIASES = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "embeddings": "feature-extraction",
    "sentence-similarity": "feature-extraction",
}
"""Other names of them."""


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"],
    model: Source,
    *,
    top_k: None = None,
    **options: Unpack[Classifying],
) -> TextClassification[Classification]: ...
@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"],
    model: Source,
    *,
    top_k: int,
    **options: Unpack[Classifying],
) -> TextClassification[Results[Classification]]: ...
@overload
def pipeline(
    task: Literal["token-classification", "ner"], model: Source, **options: Unpack[Tagging]
) -> TokenClassification: ...
@overload
def pipeline(
    task: Literal["question-answering"], model: Source, *, top_k: None = None, **options: Unpack[Answering]
) -> QuestionAnswering[Answer]: ...
@overload
def pipeline(
    task: Literal["question-answering"], model: Source, *, top_k: int, **options: Unpack[Answering]
) -> QuestionAnswering[Results[Answer]]: ...
@overload
def pipeline(
    task: Literal["feature-extraction", "embeddings", "sentence-similarity"],
    model: Source,
    *,
    pooling: Literal["mean", "cls", "last-token"] | None = None,
    **options: Unpack[Embedding],
) -> FeatureExtraction[Array]: ...
@overload
def pipeline(
    task: Literal["feature-extraction", "embeddings", "sentence-similarity"],
    model: Source,
    *,
    pooling: Literal["none"],
    **options: Unpack[Embedding],
) -> FeatureExtraction[list[Array]]: ...
@overload
def pipeline(task: Literal["text-generation"], model: Source, **options: Unpack[Writing]) -> TextGeneration: ...
@overload
def pipeline(task: str, model: Source, **options: Any) -> Pipeline: ...
def pipeline(
    task: str,
    model: Source,
    *,
    engine: str = "auto",
    device: str = "cpu",
    quantization: str | None = None,
    cache: CacheConfig | ModelCache | None = None,
    batching: BatchConfig | None = None,
    progress: Report | None = None,
    **options: Any,
) -> Any:
    """Open a model for a task.

    Parameters
    ----------
    task
        ``"text-classification"``, ``"token-classification"``, ``"question-answering"``, ``"feature-extraction"`` or
        ``"text-generation"``.
    model
        Id on the Hugging Face hub, folder, or what :func:`workbench.load` gave for one.
    engine
        ``"onnxruntime"``, ``"torch"``, or ``"auto"``, which takes ONNX Runtime on a CPU where it can compute the model.
    device
        Where it is computed: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    quantization
        ``"int8"`` or ``"dynamic"`` for weights of 8 bits; None for those of the checkpoint.
    cache
        A folder with a budget, for models that are fetched from the hub.
    batching
        Limits within which texts of many callers run together; None for each call on its own.
    progress
        Called with a :class:`~workbench.models.export.step.Step` as each step of opening begins.
    **options
        Those of :func:`workbench.load` for Hugging Face models (``revision``, ``trust_remote_code``,
        ``allow_pickle``, ``cache_dir``), and those of the task:

        - text-classification: ``truncation`` (of long texts: ``"warn"`` or ``"error"``), ``top_k``,
          ``function_to_apply``;
        - token-classification: ``truncation`` (``"window"`` or ``"error"``), ``stride``, ``aggregation_strategy``,
          ``ignore_labels``;
        - question-answering: ``truncation`` (``"window"`` or ``"error"``), ``stride``, ``window``, ``top_k``,
          ``max_answer_len``, ``handle_impossible_answer``;
        - feature-extraction: ``truncation`` (``"warn"`` or ``"error"``), ``pooling``, ``normalize``, ``prompt_name``;
        - text-generation: those of :class:`workbench.pipelines.text_generation.TextGeneration`.

    Returns
    -------
    workbench.pipelines.task.Pipeline
        Call it with a text or a list of them, or ``await pipe.arun(...)``; ``close()`` it, or use ``with``.

    Raises
    ------
    workbench.errors.InputError
        If the task, or an option, is unknown, or the model is made for another task.
    workbench.errors.LoadError
        If the model or its tokenizer cannot be read.
    workbench.errors.RunError
        If no engine can compute it.

    Examples
    --------
    >>> import workbench as wb
    >>> pipe = wb.pipeline("feature-extraction", "sample:minilm")                         # doctest: +SKIP
    >>> pipe.similarity("A cat sat on the mat.", "A kitten rested on the rug.")           # doctest: +SKIP
    """
    chosen = _class(task)
    of_task = {name: options.pop(name) for name in chosen.options() if name in options}
    loaded = _loaded(model, chosen, cache, device, options)
    try:
        _check_fits(chosen, loaded)
        how = Opening(engine, device, quantization, _checked_batching(batching), _checked_progress(progress))
        pipe = chosen.open(loaded, how, of_task)
    except BaseException:
        if loaded is not model:  # whoever keeps the error keeps the model with it, which may go from its cache
            loaded.close()
        raise
    pipe.owned = None if loaded is model else loaded
    return pipe


def task_of(model: HuggingFaceModel) -> str | None:
    """Return the task that a model is made for, by the name of its architecture; None if that says nothing."""
    architecture = architecture_of(model.config)
    return next((name for name, task in _TASKS.items() if architecture.endswith(task.ends)), None)


def _class(task: str) -> type[Pipeline]:
    name = _ALIASES.get(task, task) if isinstance(task, str) else ""
    if name not in _TASKS:
        raise InputError(
            f"There is no task {task!r}.{did_you_mean(task, [*_TASKS, *_ALIASES])} There are: {', '.join(_TASKS)}."
        )
    module, _, kind = _TASKS[name].home.partition(".")
    found: type[Pipeline] = getattr(importlib.import_module(f".{module}", __package__), kind)
    return found


def _loaded(model: Any, chosen: type[Pipeline], cache: Any, device: str, options: dict[str, Any]) -> HuggingFaceModel:
    """Return the model, and refuse what is of no use to it or the task."""
    from workbench.models.formats.huggingface import FORMAT, HuggingFaceModel
    from workbench.models.load import load
    from workbench.models.model import Model

    of_loading = [option.name for option in FORMAT.options if option.name != "device"]
    if unknown := [name for name in options if name not in of_loading]:
        raise InputError(
            f"{unknown[0]}= is no option of {chosen.task}."
            f"{did_you_mean(unknown[0], [*chosen.options(), *of_loading])} There are: {', '.join(chosen.options())}; "
            f"and for loading the model: {', '.join(of_loading)}."
        )
    if not isinstance(model, Model):
        if device != "cpu":
            options["device"] = device
        if cache is not None:
            options["cache"] = cache
        model = load(model, **options)
    elif given := [*options, *(["cache"] if cache is not None else [])]:
        raise InputError(f"{given[0]}= says how a model is loaded, and this one is. Give it to wb.load(...).")
    if not isinstance(model, HuggingFaceModel):
        raise InputError(
            f"{model.info.name} is no Hugging Face model, and a pipeline needs one: it has the tokenizer and the "
            "labels. Give the folder with its config.json, or its id on the hub."
        )
    return model


def _check_fits(chosen: type[Pipeline], model: HuggingFaceModel) -> None:
    """Refuse a model without the head that the task needs; hidden states can be had of any."""
    architecture, ends = architecture_of(model.config), _TASKS[chosen.task].ends
    if chosen.task == "feature-extraction" or architecture.endswith(ends):
        return
    if not architecture:
        raise InputError(
            f"{model.given} names no architecture in its config.json, so it may have no head for {chosen.task}. Write "
            f'it there, a class of transformers that ends in {" or ".join(ends)}: "architectures": ["..."].'
        )
    task = task_of(model)
    other = f"made for {task}: wb.pipeline({task!r}, {model.given!r})" if task else "made for another task"
    raise InputError(
        f"{model.given} is a {architecture}, which has no head for {chosen.task}; it is {other}. Or give a model whose "
        f"architecture ends in {' or '.join(ends)}."
    )


def _checked_batching(batching: Any) -> Any:
    from .batching import BatchConfig

    if batching is None or isinstance(batching, BatchConfig):
        return batching
    raise InputError(f"batching must be a BatchConfig, such as BatchConfig(max_batch_size=32), got {batching!r}.")


def _checked_progress(progress: Any) -> Any:
    if progress is None or callable(progress):
        return progress
    raise InputError(f"progress is called with each step of opening, such as progress=print; got {progress!r}.")
