"""What every pipeline is, whatever its task: a model that answers texts, called, awaited, batched, shown and closed."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from workbench.errors import ClosedError, InputError
from workbench.text import did_you_mean, format_bytes

from .computing import QUANTIZATIONS, Computing, Opening

if TYPE_CHECKING:
    from workbench.models.export.step import Report
    from workbench.models.formats.huggingface import HuggingFaceModel

    from .batching import BatchMetrics
    from .verdict import Verdict


class Pipeline(ABC):
    """A model and its task: texts in, answers out.

    Several threads and event loops may use one at once. It is made by :func:`workbench.pipeline`.

    Parameters
    ----------
    model
        The checkpoint.
    engine
        What computes it.
    """

    task: ClassVar[str]
    """The name of the task, as Hugging Face has it."""
    quantizations: ClassVar[tuple[str, ...]] = QUANTIZATIONS
    """Those that its models can have."""

    def __init__(self, model: HuggingFaceModel, engine: Computing) -> None:
        self.model = model
        self.engine = engine
        self.closed = False
        self.opened: tuple[Opening, Mapping[str, Any]] = Opening(), {}
        """What it was opened with, by which :meth:`reopened` opens another one."""
        self.owned: HuggingFaceModel | None = None
        """The model if it was loaded for this pipeline alone, which then gives it back, too."""

    @classmethod
    def open(cls, model: HuggingFaceModel, how: Opening, options: Mapping[str, Any]) -> Self:
        """Make the pipeline, of a class whose arguments are the model, ``how``, and options of its own by name."""
        made = cls(model, how, **options)  # type: ignore[arg-type]
        made.opened = replace(how, progress=None), dict(options)
        return made

    @classmethod
    def options(cls) -> list[str]:
        """Return the names of its own options."""
        return [name for name, one in inspect.signature(cls).parameters.items() if one.kind is one.KEYWORD_ONLY]

    @abstractmethod
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Answer one text, or many."""

    @abstractmethod
    async def arun(self, *arguments: Any, **options: Any) -> Any:
        """Answer as a call does, awaited: the event loop stays free, and a task that is cancelled ends the work."""

    @property
    def metrics(self) -> BatchMetrics | None:
        """What its batcher did up to now; None without one."""
        return None

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to say of it, as names with values."""
        engine = self.engine
        weights = f"{engine.quantization or 'weights'} of {format_bytes(engine.nbytes)}" if engine.nbytes else ""
        return [
            ("engine", ", ".join(filter(None, (engine.name, f"on {engine.device}", weights)))),
            ("because", engine.why),
        ]

    def reopened(self, **changes: Any) -> Pipeline:
        """Open the same task on the same model with other choices: ``pipe.reopened(quantization="int8")``.

        Parameters
        ----------
        **changes
            Arguments of :func:`workbench.pipeline` after the model, in place of those that this one was opened with.
        """
        how, options = self.opened
        of_opening = {name: changes.pop(name) for name in list(changes) if hasattr(how, name)}
        if unknown := [name for name in changes if name not in self.options()]:
            known = [*vars(how), *self.options()]
            raise InputError(
                f"{unknown[0]}= is nothing that a {self.task} pipeline is opened with."
                f"{did_you_mean(unknown[0], known)} There are: {', '.join(known)}."
            )
        return self.open(self.model, replace(how, **of_opening), {**options, **changes})

    def verdict(
        self,
        texts: Any,
        quantizations: str | Sequence[str] | None = None,
        *,
        budget: float = 10.0,
        seed: int = 0,
        progress: Report | None = None,
    ) -> Verdict:
        """Measure on your own texts what quantisations of the model gain and change, and say whether they are worth it.

        Each candidate answers all texts once, and the answers are compared with those of the model as it is. Then as
        many of the texts as the budget allows are timed in turns, in a random order: together in one call, and one of
        middle length alone. The rules that decide are data: :data:`workbench.pipelines.verdict.RULES`.

        Parameters
        ----------
        texts
            What a call takes as a list. A few hundred of your own say most.
        quantizations
            Which ones to weigh; all that the task has if None.
        budget
            Seconds of timing, beside the answers; at least 7 rounds are run.
        seed
            Of the order of turns.
        progress
            Called with a :class:`~workbench.models.export.step.Step` several times a second; what it raises ends it.

        Raises
        ------
        workbench.errors.InputError
            If the texts are none, or the task has no such quantisation.
        workbench.errors.RunError
            If the model cannot be computed in any of these ways, with the reasons.
        """
        from .verdict import weigh

        self._check_open()
        return weigh(self, texts, quantizations, budget=budget, seed=seed, progress=progress)

    def close(self) -> None:
        """Answer what was taken, give the engine back, and refuse what comes later."""
        if not self.closed:
            self.closed = True
            self.engine.close()
            if self.owned is not None:
                self.owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise InputError(
            f"A {self.task} pipeline cannot be pickled or copied, since it has an engine and threads. Where it is "
            f"needed, open one: wb.pipeline({self.task!r}, {self.model.given!r})."
        )

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.facts)
        lines = [f"  {name:<{width}}  {value}" for name, value in self.facts if value]
        return "\n".join([f"{self.task}: {self.model.info.name}{'; closed' if self.closed else ''}", *lines])

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import pipeline_html

        return pipeline_html(self)

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError(f"This {self.task} pipeline is closed. Open another one with wb.pipeline(...).")
