"""The settings of a pipeline: its task and model, what computes it, how requests are batched, where models are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.bench.environment import gpu
from workbench.errors import InputError, WorkbenchError
from workbench.models.formats.huggingface import HuggingFaceModel
from workbench.models.load import find
from workbench.models.model import Model
from workbench.pipelines.batching.config import BatchConfig
from workbench.pipelines.pipeline import task_of
from workbench.views import controls, html
from workbench.views.models.cache_fields import CacheFields
from workbench.views.option_fields import OptionFields

from .forms import FORMS, at_hand

LOADED, OTHER = "the loaded one", "another"
ENGINES = ("auto", "onnxruntime", "torch")
QUANTIZATIONS = {"none": None, "int8": "int8", "dynamic": "dynamic"}
_TOOLTIPS = {
    "auto": "the fastest that can compute this model here; it says which one and why",
    "onnxruntime": "ONNX Runtime",
    "torch": "torch, as transformers runs it",
    "none": "float32, as the model is",
    "int8": "weights as 8-bit integers, per channel; see what it costs on your texts",
    "dynamic": "weights as 8-bit integers, one scale for each matrix",
}
_TRUST = (
    "Python files that come with this model will run in this kernel, with all that you may do here. Tick this for "
    "authors whom you trust, and name a revision, so that the files stay those that you have read."
)


class PipelineSettings(widgets.VBox):  # type: ignore[misc]
    """The arguments of ``wb.pipeline`` as fields.

    Attributes
    ----------
    task, source, engine, device, quantization
        The fields; ``source`` is a hub id, a folder or a sample.
    use
        Whether the model of the Load panel is used, or ``source``.
    batching, batch
        Whether requests are batched, and the fields of the limits by their names.
    opening
        The options of the task, by task.
    cache
        The folder and the budget.
    revision, trust, warning
        Which version of a model of the hub; whether Python files that come with a model may run, and what that means.
    model
        The model of the Load panel, or None.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self) -> None:
        self.model: Model | None = None
        self._written_for: dict[str, str] = {}
        self.task = controls.dropdown("Task", FORMS)
        self.about, self.hint = (widgets.HTML().add_class("fw-formula") for _ in range(2))
        self.use = controls.pills("Model", [LOADED, OTHER], value=OTHER)
        self.source = controls.combobox(
            "Model", (), placeholder="hub id, folder or sample:name", continuous_update=False, ensure_option=False
        )
        self.engine = controls.pills("Engine", ENGINES, tooltips=[_TOOLTIPS[name] for name in ENGINES])
        self.device = controls.pills("Device", ("cpu", "cuda"))
        self.quantization = controls.pills(
            "Quantisation", QUANTIZATIONS, tooltips=[_TOOLTIPS[name] for name in QUANTIZATIONS]
        )
        self.batching = widgets.Checkbox(value=False, description="batch requests together", indent=False)
        default = BatchConfig()
        self.batch = {
            name: controls.text(label, value=f"{getattr(default, name):g}", tooltip=name, continuous_update=False)
            for name, label in (("max_batch_size", "together"), ("max_wait_ms", "wait, ms"), ("max_queue", "queue"))
        }
        self.cache = CacheFields()
        self.revision = controls.text("Revision", placeholder="branch, tag or commit; main", continuous_update=False)
        self.trust = widgets.Checkbox(value=False, description="let the model's own Python run", indent=False)
        self.trust.tooltip = "trust_remote_code"
        self.warning = widgets.HTML(f'<p class="fw-warning">{html.escape(_TRUST)}</p>')
        self.opening = OptionFields({task: form.opening for task, form in FORMS.items()})
        limits = controls.box(*self.batch.values(), classes="fw-thirds")
        groups = [
            (self.task, self.about),
            (self.use, self.source, self.hint, self.revision, self.trust, self.warning),
            (self.engine, self.device if gpu() else widgets.HTML('<div class="fw-absent">cuda: no GPU here</div>')),
            (self.quantization,),
            (self.opening,),
            (self.batching, limits),
            (self.cache,),
        ]
        super().__init__([widgets.VBox(group) for group in groups], _dom_classes=("fw-settings",))
        self._limits = limits
        self.task.observe(self._choose_task, "value")
        for choice in (
            self.use,
            self.source,
            self.engine,
            self.device,
            self.quantization,
            self.batching,
            self.revision,
            self.trust,
            *self.batch.values(),
        ):
            choice.observe(self._changed, "value")
        self.cache.observe(self._changed, "value")
        self.opening.observe(self._changed, "written")
        self._choose_task({"old": None})

    def show_model(self, model: Model | None) -> None:
        """Offer the model of the Load panel, and choose it and its task if a pipeline can be made of it."""
        self.model = model
        self.use.value = LOADED if self.takes(model) else OTHER
        if isinstance(model, HuggingFaceModel) and (task := task_of(model)) is not None:
            self.task.value = task
        self._changed()

    @staticmethod
    def takes(model: Model | None) -> bool:
        """Return whether a model is one that pipelines are made of."""
        return isinstance(model, HuggingFaceModel)

    def choose(self, task: str, source: str) -> None:
        """Choose a task, and a model by name."""
        self.task.value, self.use.value, self.source.value = task, OTHER, source

    @property
    def given(self) -> Any:
        """The model: that of the Load panel, or what is written.

        Raises
        ------
        workbench.errors.InputError
            If none is named.
        """
        if self.use.value == LOADED and self.takes(self.model):
            return self.model
        if source := self.source.value.strip():
            return source
        raise InputError("No model is named. Write a hub id or a folder, or load one in the Load panel.")

    @property
    def options(self) -> Mapping[str, Any]:
        """The keyword arguments of ``wb.pipeline`` that differ from their defaults.

        Raises
        ------
        workbench.errors.InputError
            If a number is asked for and something else is written, or is out of range.
        """
        engine = self.engine.value
        chosen = {
            "engine": None if engine == "auto" else engine,
            "device": None if self.device.value == "cpu" else self.device.value,
            "quantization": QUANTIZATIONS[self.quantization.value],
            "batching": self._batch_config() if self.batching.value else None,
            "cache": self.cache.config if self._of_the_hub() else None,
            "revision": (self.revision.value.strip() or None) if self._of_the_hub() else None,
            "trust_remote_code": True if self._foreign() and self.trust.value else None,
            **self.opening.chosen,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def _batch_config(self) -> BatchConfig:
        limits: dict[str, Any] = {}
        for name, field in self.batch.items():
            kind = float if name == "max_wait_ms" else int
            try:
                limits[name] = kind(field.value)
            except ValueError:
                what = "a number of milliseconds" if kind is float else "a whole number"
                raise InputError(f"{name} is {field.value!r}, which is not {what}.") from None
        return BatchConfig(**limits)

    def _named(self) -> bool:
        """Return whether the model is the one that is written."""
        return self.use.value == OTHER or not self.takes(self.model)

    def _foreign(self) -> bool:
        """Return whether the model is one that is written, and no sample of ours."""
        return self._named() and not self.source.value.strip().startswith("sample:")

    def _of_the_hub(self) -> bool:
        source = self.source.value.strip()
        if not self._foreign():  # some samples are made when they are first opened
            return False
        try:
            return find(source).hub_id is not None
        except WorkbenchError:
            return False  # opening it will say why

    def _choose_task(self, change: Any) -> None:
        form = FORMS[self.task.value]
        if change["old"]:
            self._written_for[change["old"]] = self.source.value
        self.about.value = f'<p class="fw-muted">{html.escape(form.about)}</p>'
        self.opening.show_for(self.task.value)
        self.source.options = form.models
        self.source.value = self._written_for.get(self.task.value, at_hand(self.task.value))
        self._changed()

    def _changed(self, *_: Any) -> None:
        usable = self.takes(self.model)
        controls.show(self.use, usable)
        controls.show(self.source, self._named())
        self.source.description = "Hub id, folder or sample" if usable else "Model"
        controls.show(self.cache, self._named())
        controls.show(self._limits, self.batching.value)
        controls.show(self.revision, self._of_the_hub())
        controls.show(self.trust, self._foreign())
        controls.show(self.warning, self._foreign() and self.trust.value)
        self.hint.value = self._words()
        controls.show(self.hint, bool(self.hint.value))
        self.written += 1

    def _words(self) -> str:
        if self.model is None:
            words = ""
        elif not self.takes(self.model):
            name = self.model.info.name or "the loaded model"
            words = f"{name} is not offered: pipelines are made of Hugging Face models, which bring their tokenizer."
        else:
            words = self.model.info.name if self.use.value == LOADED else ""
        return f'<p class="fw-muted">{html.escape(words)}</p>' if words else ""
