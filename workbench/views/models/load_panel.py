"""The Load panel: name, choose or upload a model, set how it is to run, and see what was loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from workbench.errors import InputError, WorkbenchError
from workbench.models import samples
from workbench.models.formats import formats
from workbench.models.load import find, load, recognise
from workbench.models.model import Model
from workbench.views import controls, html
from workbench.views.code_footer import CodeFooter
from workbench.views.jobs import Job, Report
from workbench.views.option_fields import OptionFields
from workbench.views.status import error_html, guarded

from . import cards
from .picker import MODEL_SUFFIXES, FilePicker
from .upload import Upload


class LoadPanel(widgets.VBox):  # type: ignore[misc]
    """Load an ONNX or a Hugging Face model by path, hub id, sample's name, file picker or upload.

    Parameters
    ----------
    loaded
        Called with each model that was loaded.
    folder
        Where the file picker begins; the kernel's current folder if None.

    Attributes
    ----------
    model
        The model that was loaded last, or None; a failed attempt leaves it as it was.
    next
        A row that is shown once a model is loaded: what to do with it.
    job
        What Load and Cancel do, as a :class:`~workbench.views.jobs.Job`.
    """

    def __init__(self, loaded: Callable[[Model], None] | None = None, folder: str | Path | None = None) -> None:
        self.model: Model | None = None
        self._loaded = loaded
        self.job = Job(self._run, self._show, label="Load")
        self.source = controls.text("Model", placeholder="a path, a hub id, or sample:name", continuous_update=False)
        self.options = OptionFields({one.name: one.options for one in formats()}, "Options")
        self.picker = FilePicker(self.choose, self._fail, folder)
        self.browse = controls.button("Browse")
        self.upload = Upload(self.choose, self._fail, MODEL_SUFFIXES)
        self.outcome, self.next = widgets.HTML(_EMPTY), widgets.HBox().add_class("fw-row")
        self.samples = {name: controls.button(name) for name in samples.available()}
        self.code_footer = CodeFooter()
        ways = widgets.HBox([self.browse, self.upload]).add_class("fw-row")
        side = controls.box(self.source, ways, self.options, self.job, classes="fw-side")
        main = controls.box(
            *(self.job.failure, self.picker, self.outcome, self.next, self._sample_tiles()),
            classes="fw-main",
        )
        super().__init__([controls.box(side, main, classes="fw-split"), self.code_footer])
        controls.show(self.picker, False)
        controls.show(self.next, False)
        self.browse.on_click(lambda _: self._toggle_picker())
        self.source.observe(guarded(self._update, self.job.failure), "value")
        self.options.observe(guarded(self._show_code, self.job.failure), "written")
        self._update()

    @property
    def code(self) -> str:
        """The code that loads the same model in the same way; empty while no model is named."""
        source = self.source.value.strip()
        return f"model = {controls.call('wb.load', source, **self.options.chosen)}" if source else ""

    def choose(self, source: str | Path) -> None:
        """Name a model and load it with the options that are set, as a click on it does; the last click wins."""
        self.source.value = str(source)
        controls.show(self.picker, False)
        self.job.restart()

    def load(self, source: Any, **options: Any) -> Model:
        """Load a model now and show it; as :func:`workbench.load`, whose errors it raises."""
        model = load(source, **options)
        if isinstance(source, str | Path):
            self.source.value = str(source)
        else:
            self.source.value = ""
        self._show(model)
        self.options.set(options)
        return model

    async def _run(self, report: Report) -> Model:
        source = self.source.value.strip()
        if not source:
            raise InputError("No model is named. Write a path or a hub id, choose a file, or click a sample.")
        report(f"reading {Path(source).name}", None)
        return await asyncio.to_thread(load, source, **self.options.chosen)

    def _show(self, model: Model) -> None:
        self.model = model
        self.options.show_for(model.info.format)
        self.job.failure.value = ""
        self.outcome.value = cards.model_card(model.info)
        controls.show(self.next, True)
        if self._loaded is not None:
            self._loaded(model)

    def _update(self, *_: Any) -> None:
        self.options.show_for(format_of(self.source.value.strip()))

    def _show_code(self, *_: Any) -> None:
        try:
            self.code_footer.code = self.code
        except InputError:
            self.code_footer.code = ""  # an option that is still being written has no code

    def _fail(self, error: Exception) -> None:
        self.job.failure.value = error_html(error)

    def _toggle_picker(self) -> None:
        controls.show(self.picker, self.picker.layout.display == "none")

    def _sample_tiles(self) -> widgets.VBox:
        tiles = []
        for name, sample in samples.available().items():
            self.samples[name].on_click(lambda _, name=name: self.choose(f"sample:{name}"))
            self.samples[name].tooltip = sample.description
            about = widgets.HTML(f'<p class="fw-muted">{html.escape(sample.description.partition(";")[0])}</p>')
            tiles.append(controls.box(self.samples[name], about, classes="fw-tile"))
        heading = widgets.HTML(html.heading("Samples", "One click loads it; no network is needed."))
        return controls.box(heading, controls.box(*tiles, classes="fw-grid"), classes="fw-samples")


def format_of(source: str) -> str:
    """Return the name of the format of what a source refers to, or ``""`` if that cannot be told without effort."""
    if not source or source.startswith("sample:"):  # some samples are made when they are first opened
        return ""
    try:
        return recognise(find(source)).name
    except WorkbenchError:
        return ""


_EMPTY = (
    '<div class="fw-empty"><b>No model yet</b>'
    "Click a sample below, choose a file, or write a path or the id of a model on the Hugging Face hub.</div>"
)
