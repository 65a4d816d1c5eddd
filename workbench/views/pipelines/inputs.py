"""What a pipeline is asked in the panel: one text or a line for each, a question with its context, or a prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.errors import InputError
from workbench.views import controls
from workbench.views.option_fields import OptionFields

from .forms import ANSWERS, FORMS, GENERATION, QUESTION

EACH, WHOLE = "one text per line", "one text"


@dataclass(frozen=True)
class Asked:
    """What a pipeline is called with.

    Parameters
    ----------
    texts
        The texts; for question-answering the context alone.
    several
        Whether they go, and come back, as a list.
    question
        For question-answering.
    options
        More arguments of the call.
    """

    texts: tuple[str, ...]
    several: bool
    question: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The positional arguments of the call."""
        if self.question is not None:
            return ()
        return (list(self.texts) if self.several else self.texts[0],)

    @property
    def items(self) -> list[Any]:
        """The texts, or pairs of question and context, as a list."""
        return list(self.texts) if self.question is None else [(self.question, text) for text in self.texts]

    @property
    def named(self) -> dict[str, Any]:
        """The arguments of the call that have names."""
        if self.question is None:
            return self.options
        return {"question": self.question, "context": self.texts[0], **self.options}


class PipelineInput(widgets.VBox):  # type: ignore[misc]
    """The fields of one task at a time; what was written for one is there again when it is chosen again.

    Attributes
    ----------
    text, question
        The fields; the second one is shown for question-answering.
    lines
        Whether each line is a text of its own.
    options
        The options of a call, by task.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self) -> None:
        self.task = ""
        self._kept = {task: form.text for task, form in FORMS.items()}
        self.question = controls.text("Question", value=QUESTION)
        self.text = controls.textarea("Texts", rows=4)
        self.lines = controls.pills("Read as", [EACH, WHOLE])
        self.options = OptionFields({task: form.options for task, form in FORMS.items()})
        for choice in (self.question, self.text, self.lines):
            choice.observe(self._changed, "value")
        self.options.observe(self._changed, "written")
        how = controls.box(self.lines, self.options, classes="fw-how")
        super().__init__([self.question, self.text, how], _dom_classes=("fw-asked",))

    def show_for(self, task: str) -> None:
        """Show the fields of a task."""
        if self.task:
            self._kept[self.task] = self.text.value
        form = FORMS[task]
        self.task = task
        self.text.description, self.text.value = form.label, self._kept[task]
        controls.show(self.question, task == ANSWERS)
        controls.show(self.lines, form.lines)
        self.options.show_for(task)
        self._changed()

    @property
    def asked(self) -> Asked:
        """What is asked.

        Raises
        ------
        workbench.errors.InputError
            If nothing is written, or an option is no number where one belongs.
        """
        form, text = FORMS[self.task], self.text.value
        if not text.strip():
            raise InputError(f"There is no text. Write one into the field {form.label!r}.")
        several = form.lines and self.lines.value == EACH
        texts = tuple(line for line in text.splitlines() if line.strip()) if several else (text,)
        question = self.question.value.strip() if self.task == ANSWERS else None
        if question == "":
            raise InputError("There is no question. Write one into the field 'Question'.")
        options = dict(self.options.chosen)
        if self.task == GENERATION:
            options.setdefault("max_new_tokens", 50)
        return Asked(texts, several and len(texts) > 1, question, options)

    def _changed(self, *_: Any) -> None:
        self.written += 1
