"""What a kernel is launched with, as fields: what it runs, its name, its bounds, and what happens when it dies."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import ipywidgets as widgets
import traitlets

from fused_kernels.catalog import OPS
from workbench.errors import InputError
from workbench.models.formats import Option
from workbench.pipelines.pipeline import pipeline
from workbench.ring.bodies import BUILT_IN
from workbench.ring.options import LaunchOptions
from workbench.text import did_you_mean
from workbench.views import controls, html
from workbench.views.option_fields import OptionFields
from workbench.views.pipelines.forms import EMBEDDINGS, FORMS, at_hand

OPERATION, PIPELINE, FUNCTION = "operation", "pipeline", "function"
_WHEN_FULL = ("block", "refuse", "drop-oldest")
_OPTIONS = (
    Option("capacity", int, LaunchOptions.capacity, "messages that may wait"),
    Option("when_full", str, LaunchOptions.when_full, "what becomes of one more", _WHEN_FULL),
    Option("restarts", int, LaunchOptions.restarts, "how often it begins anew when it dies"),
    Option("thread", str, LaunchOptions.thread, "who runs it: its own thread, or a caller", ("auto", "any", "own")),
    Option("auto_activate", bool, LaunchOptions.auto_activate, "whether it is active at once"),
)
"""Fields of :class:`~workbench.ring.options.LaunchOptions`."""
SHORT = {EMBEDDINGS: "vectors", "text-classification": "labels", "token-classification": "names"}
"""What kernels of a task are called, unless they are called otherwise."""


@dataclass(frozen=True)
class Launch:
    """A kernel that is to be launched.

    Parameters
    ----------
    name
        Of the kernel.
    handler
        Makes what it runs, which may take seconds; None where its name says it.
    written
        The same as code.
    options
        More arguments of ``runtime.launch``.
    state
        The name of what makes its state; empty if it has none.
    """

    name: str
    handler: Callable[..., Any] | None = None
    written: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""

    @property
    def code(self) -> str:
        """The code that launches it."""
        handler = controls.Code(self.written) if self.written else None
        state = controls.Code(self.state) if self.state else None
        return controls.call("runtime.launch", self.name, handler=handler, state=state, **self.options)


class LaunchForm(widgets.VBox):  # type: ignore[misc]
    """The arguments of ``runtime.launch`` as fields.

    Parameters
    ----------
    taken
        Gives the names that cannot be used again.

    Attributes
    ----------
    what
        Which of the fields that follow say what runs.
    operation, task, model, function, state
        What runs: an operation; a pipeline; a function of the notebook, and what makes its state.
    name
        Of the kernel; empty for one that suggests itself.
    options
        The other fields of ``LaunchOptions``.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self, taken: Callable[[], Container[str]]) -> None:
        self._taken = taken
        self.what = controls.pills("A kernel runs", [OPERATION, PIPELINE, FUNCTION])
        self.operation = controls.dropdown("Operation", [*OPS, *BUILT_IN], value="softmax")
        self.task = controls.dropdown("Task", FORMS)
        self.model = controls.combobox("Model", (), placeholder="hub id, folder or sample:name", ensure_option=False)
        self.function = controls.combobox("Function of this notebook", (), ensure_option=False)
        self.state = controls.text("Its state is made by", placeholder="such as dict; none if empty")
        self.about = widgets.HTML().add_class("fw-formula")
        self.name = controls.text("Name")
        self.options = OptionFields({"kernel": _OPTIONS})
        self.options.show_for("kernel")
        self._fields = {
            OPERATION: (self.operation,),
            PIPELINE: (self.task, self.model),
            FUNCTION: (self.function, self.state),
        }
        which = widgets.VBox([self.what, *(one for fields in self._fields.values() for one in fields), self.about])
        super().__init__([which, widgets.VBox([self.name, self.options])], _dom_classes=("fw-settings",))
        self.task.observe(self._choose_task, "value")
        for choice in (self.what, self.operation, self.model, self.function, self.state, self.name):
            choice.observe(self._changed, "value")
        self.options.observe(self._changed, "written")
        self._choose_task()

    @property
    def launch(self) -> Launch:
        """What is to be launched.

        Raises
        ------
        workbench.errors.InputError
            If something is missing, or is not what its field asks for.
        """
        options = self.options.chosen
        name = self.name.value.strip() or self._suggested()
        what = self.what.value
        if what == OPERATION:
            operation = self.operation.value
            if name == operation:
                return Launch(name, None, "", options)
            return Launch(name, lambda *_: operation, controls.literal(operation), options)
        if what == PIPELINE:
            task, model = self.task.value, self._model()
            return pipeline_launch(name, task, model, options)
        function = self.function.value.strip()
        found = _named(function, "function")
        return Launch(name, lambda *_: found, function, options, self.state.value.strip())

    def refresh(self) -> None:
        """Offer the functions and operations that the notebook has by now."""
        self.function.options = functions()
        operations = [*OPS, *BUILT_IN]
        if list(self.operation.options) != operations:
            chosen = self.operation.value
            self.operation.options = operations
            self.operation.value = chosen if chosen in operations else operations[0]

    def suggest(self) -> None:
        """Show in the empty field which name the next kernel would have."""
        self.name.placeholder = self._suggested()

    def _suggested(self) -> str:
        what = self.what.value
        if what == OPERATION:
            base = self.operation.value
        else:
            base = SHORT.get(self.task.value, self.task.value) if what == PIPELINE else self.function.value.strip()
        base, taken, place = base or "kernel", self._taken(), 1
        while (name := base if place == 1 else f"{base}-{place}") in taken:
            place += 1
        return name

    def _model(self) -> str:
        if model := self.model.value.strip():
            return str(model)
        raise InputError("No model is named. Write a hub id, a folder or sample:name.")

    def _choose_task(self, *_: Any) -> None:
        self.model.options = FORMS[self.task.value].models
        self.model.value = at_hand(self.task.value)
        self._changed()

    def _changed(self, *_: Any) -> None:
        what = self.what.value
        for kind, fields in self._fields.items():
            for one in fields:
                controls.show(one, kind == what)
        if what == FUNCTION:
            self.refresh()
        self.about.value = f'<p class="fw-muted">{html.escape(self._words())}</p>'
        self.suggest()
        self.written += 1

    def _words(self) -> str:
        if self.what.value == PIPELINE:
            return FORMS[self.task.value].about
        if self.what.value == FUNCTION:
            form = "handler(state, payload)" if self.state.value.strip() else "handler(payload)"
            return f"Called as {form} for each message." if functions() else f"Define one in a cell: {form}."
        name = self.operation.value
        return OPS[name].summary if name in OPS else _BUILT_IN[name]


_BUILT_IN = {
    "similarity_matrix": "All rows that came so far, compared with the new ones.",
    "add": "The sums of the elements of two arrays; a message is both: ([1, 2], [3, 4]).",
    "dot": "The sum of the products of the elements of two arrays; a message is both: ([1, 2], [3, 4]).",
}


def pipeline_launch(name: str, task: str, model: str, options: Mapping[str, Any] | None = None) -> Launch:
    """Return the launch of a kernel that runs a pipeline."""

    def make(progress: Any) -> Any:
        return pipeline(task, model, progress=progress)

    return Launch(name, make, controls.call("wb.pipeline", task, model), options or {})


def functions() -> list[str]:
    """Return the names of the functions that the notebook defines."""
    return sorted(
        name
        for name, value in vars(sys.modules["__main__"]).items()
        if inspect.isfunction(value) and value.__module__ == "__main__" and not name.startswith("_")
    )


def state_of(launch: Launch) -> Callable[[], Any] | None:
    """Return what makes the state of a kernel; None if it has none.

    Raises
    ------
    workbench.errors.InputError
        If the notebook has nothing of that name.
    """
    made: Callable[[], Any] | None = _named(launch.state, "maker of a state") if launch.state else None
    return made


def _named(name: str, kind: str) -> Any:
    if not name:
        raise InputError(f"No {kind} is named. Write the name of one that a cell of this notebook defines.")
    known = {**vars(builtins), **vars(sys.modules["__main__"])}
    if name not in known:
        raise InputError(
            f"This notebook has no {kind} {name!r}.{did_you_mean(name, functions())} Define it in a cell and run that."
        )
    return known[name]
