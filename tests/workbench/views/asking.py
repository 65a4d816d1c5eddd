"""A user of the Pipelines panel, and of the code that it shows."""

import contextlib
import io

import workbench as wb
from workbench.views.pipelines.forms import ANSWERS, CLASSIFICATION, EMBEDDINGS, ENTITIES, GENERATION
from workbench.views.pipelines.panel import PipelinePanel

from .reading import Words

MODELS = {
    CLASSIFICATION: "sample:tiny-classifier",
    ENTITIES: "sample:tiny-tagger",
    ANSWERS: "sample:tiny-reader",
    EMBEDDINGS: "sample:tiny-bert",
    GENERATION: "sample:tiny-writer",
}


def opened():
    """Give a panel with small models, and close it."""
    panel = PipelinePanel()
    for task, model in MODELS.items():
        panel.settings.choose(task, model)
    yield panel
    panel.job.cancel()
    panel.verdict.job.cancel()
    panel.close_pipe()


def ask(panel, task, text, **fields):
    """Choose a task, write a text and press Run; return what was answered."""
    panel.settings.task.value = task
    panel.input.text.value = text
    for name, value in fields.items():
        panel.input.options.fields[task][name].value = value
    panel.job.run_button.click()
    return panel.job.result(60).found


def shown(panel):
    """Return the words of the answer."""
    (view,) = panel.outcome.children
    return " ".join(Words("".join(child.value for child in view.children if hasattr(child, "value"))).words.split())


def run_code(code):
    """Run the code of the panel; return what its last line gives, and what it prints."""
    *lines, last = code.splitlines()
    names, printed = {"wb": wb}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        if last.startswith(" "):
            exec(code, names)
            return printed.getvalue()
        exec("\n".join(lines), names)
        value = eval(last, names)
    names["pipe"].close()
    return value
