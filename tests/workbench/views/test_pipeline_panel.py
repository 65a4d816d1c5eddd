"""The Pipelines panel with real models: every task, streams, batches and the verdict, and code that does the same."""

import contextlib
import io
import shutil
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest

import workbench as wb
from workbench.errors import InputError, LoadError
from workbench.models.cache import CacheConfig, ModelCache
from workbench.models.trained import trained
from workbench.pipelines.results import Answer, Classification, Entities, Generation
from workbench.views.pipeline_forms import ANSWERS, CLASSIFICATION, EMBEDDINGS, ENTITIES, FORMS, GENERATION
from workbench.views.pipeline_input import WHOLE
from workbench.views.pipeline_panel import PipelinePanel
from workbench.views.pipeline_settings import LOADED

from ..models import hub_of_many  # noqa: TID252
from .reading import Words

MODELS = {
    CLASSIFICATION: "sample:tiny-classifier",
    ENTITIES: "sample:tiny-tagger",
    ANSWERS: "sample:tiny-reader",
    EMBEDDINGS: "sample:tiny-bert",
    GENERATION: "sample:tiny-writer",
}


@pytest.fixture
def panel():
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


def test_texts_are_classified_line_by_line_and_the_code_does_the_same(panel):
    found = ask(panel, CLASSIFICATION, "The room was lovely.\n\nThe soup was cold and the waiter was rude.")
    assert [one.label for one in found] == ["good", "bad"]
    assert shown(panel).startswith("1 good, 1 bad 2 texts in")
    assert "The room was lovely. good" in shown(panel)
    assert panel.job.state == "done"
    assert run_code(panel.code) == found
    assert panel.code_footer.code == panel.code


def test_one_text_has_one_answer_which_is_large(panel):
    panel.input.lines.value = WHOLE
    found = ask(panel, CLASSIFICATION, "The room was lovely\nand the soup was delicious.")
    assert isinstance(found, Classification)
    assert shown(panel).startswith("good 1 text in")
    several = ask(panel, CLASSIFICATION, "The room was lovely.", top_k="2")
    assert [one.label for one in several] == ["good", "bad"]
    assert run_code(panel.code) == several


def test_names_are_marked_in_their_text(panel):
    found = ask(panel, ENTITIES, "Ada Lovelace works for Globex in London.", aggregation="first")
    assert isinstance(found, Entities)
    assert {one.entity for one in found} == {"PER", "ORG", "LOC"}
    assert "Ada Lovelace PER works for Globex ORG in London LOC ." in shown(panel)
    assert run_code(panel.code) == found


def test_an_answer_is_marked_in_its_context(panel):
    panel.settings.task.value = ANSWERS
    panel.input.question.value = "Where was Alan born?"
    found = ask(panel, ANSWERS, "Grace owns a red bicycle. Alan was born in Vienna.")
    assert isinstance(found, Answer)
    assert found.text == "Vienna"
    assert shown(panel).startswith("\N{LEFT DOUBLE QUOTATION MARK}Vienna\N{RIGHT DOUBLE QUOTATION MARK}")
    assert "Alan was born in Vienna ." in shown(panel)
    assert run_code(panel.code) == found
    several = ask(panel, ANSWERS, "Grace owns a red bicycle. Alan was born in Vienna.", top_k="2")
    assert several[0].text == "Vienna"
    assert shown(panel).count("characters") == 3


def test_how_near_texts_are_is_a_map(panel):
    found = ask(panel, EMBEDDINGS, "a fused kernel\na fused kernel\nsomething else, entirely")
    (view,) = panel.outcome.children
    cells = np.array(view.figure.data[0].z)
    np.testing.assert_allclose(cells, panel.pipe.similarity(found), atol=1e-6)
    np.testing.assert_allclose(np.diag(cells), 1, atol=1e-5)
    assert "1 and 2 are closest: cosine 1." in shown(panel)
    np.testing.assert_allclose(run_code(panel.code), cells, atol=1e-6)
    alone = ask(panel, EMBEDDINGS, "a fused kernel")
    assert alone.shape == found.shape[1:]
    assert panel.outcome.children[0].figure is None


def test_a_text_is_written_behind_its_prompt(panel):
    found = ask(panel, GENERATION, "The rain in the", max_new_tokens="80")
    assert found == Generation(
        " harbour fell all night, and in the morning the boats were full of stars.",
        "The rain in the",
        found.tokens,
        "stop",
    )
    assert "The rain in the harbour fell all night, and in the morning the boats were full of stars." in shown(panel)
    assert run_code(panel.code) == found.text


def test_stop_ends_the_text_and_keeps_what_is_written(panel, monkeypatch):
    from workbench.pipelines.generation.decoding import Decoding

    step = Decoding.step
    monkeypatch.setattr(Decoding, "step", lambda self: time.sleep(0.05) or step(self))
    panel.settings.task.value, panel.input.text.value = GENERATION, "One, two,"
    assert panel.job.cancel_button.description == "Stop"
    panel.job.start()
    give_up = time.monotonic() + 60
    while "three" not in getattr(panel.outcome.children[0], "value", ""):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    panel.job.cancel()
    found = panel.job.result(10).found
    assert found.finish == "cancelled"
    assert found.text.startswith(" three")
    assert "ten" not in found.text
    assert "Stopped after" in panel.job.status.value
    assert "stopped by the reader" in shown(panel)
    assert ask(panel, GENERATION, "One, two,").text.endswith("ten."), "the pipeline goes on"


def test_a_pipeline_stays_open_until_another_one_is_asked_for(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.")
    pipe = panel.pipe
    assert "opened in" in shown(panel)
    ask(panel, CLASSIFICATION, "The room was ugly.")
    assert panel.pipe is pipe
    assert "opened in" not in shown(panel)
    panel.settings.quantization.value = "int8"
    ask(panel, CLASSIFICATION, "The room was ugly.")
    assert pipe.closed
    assert panel.pipe.engine.quantization == "int8"
    assert "onnxruntime, int8" in shown(panel)
    assert 'quantization="int8"' in panel.code


def test_the_answer_of_a_task_is_there_again_when_it_is_chosen_again(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.")
    before = shown(panel)
    panel.settings.task.value = ENTITIES
    assert panel.outcome.children[0] is not None
    assert "What does a model make of your text?" in panel.outcome.children[0].children[0].value
    panel.input.text.value = ""
    panel.job.start()
    with pytest.raises(InputError):
        panel.job.result(10)
    panel.settings.task.value = CLASSIFICATION
    assert panel.job.failure.value == "", "what failed was another task"
    assert shown(panel) == before
    assert panel.input.text.value == "The room was lovely."


def test_batches_are_counted(panel):
    panel.settings.batching.value = True
    panel.settings.batch["max_batch_size"].value = "2"
    found = ask(
        panel,
        CLASSIFICATION,
        "The room was lovely.\nThe soup was horrible.\nWhat a charming garden!\nThe hotel was noisy.",
    )
    assert [one.label for one in found] == ["good", "bad", "good", "bad"]
    assert panel.batches.layout.display != "none"
    assert "4 requests" in Words(panel.batches.value).words
    assert panel.pipe.metrics.answered == 4
    assert "batching=wb.BatchConfig(max_batch_size=2)" in panel.code
    assert run_code(panel.code) == found


def test_a_model_of_the_hub_is_kept_in_a_cache_which_is_pruned(panel, tmp_path):
    (tmp_path / "hub").mkdir()
    for name, sample in (("old", "tiny-tagger"), ("new", "tiny-classifier")):
        shutil.copytree(trained(sample), tmp_path / "hub" / name)
    size = sum(file.stat().st_size for file in (tmp_path / "hub" / "new").iterdir()) / 1e9
    with hub_of_many.serving(tmp_path / "hub") as address, hub_of_many.asking(address):
        ModelCache(CacheConfig(tmp_path / "cache")).download("team/old")
        panel.settings.choose(CLASSIFICATION, "team/new")
        panel.settings.cache.folder.value = str(tmp_path / "cache")
        assert "2 models" not in panel.cache.contents.value
        assert "1 model" in panel.cache.contents.value
        assert ask(panel, CLASSIFICATION, "The room was lovely.\nThe tea was fresh.")[0].label == "good"
        assert "2 models" in panel.cache.contents.value
        assert f'cache=wb.CacheConfig(dir="{tmp_path / "cache"}")' in panel.code
    panel.settings.cache.budget.value = f"{1.5 * size}"
    panel.cache.job.start()
    assert panel.cache.job.result(20).dry_run
    assert "1 model would go" in panel.cache.contents.value
    assert panel.cache.job.run_button.description == "Remove these"
    panel.cache.job.start()
    assert not panel.cache.job.result(20).dry_run
    assert [model.name for model in ModelCache(CacheConfig(tmp_path / "cache")).contents()] == ["team/new"]
    assert "team/new" in panel.cache.contents.value
    assert panel.cache.job.run_button.description == "Show what would go"
    panel.settings.cache.budget.value = "much"
    assert panel.cache.layout.display == "none"
    panel.settings.source.value = "team/other"
    panel.job.start()
    with pytest.raises(InputError, match="not a number of gigabytes"):
        panel.job.result(20)


def test_the_model_of_the_load_panel_is_used():
    app = wb.Workbench()
    panel = app.pipeline_panel
    app.load("sample:mlp")
    assert panel.settings.use.layout.display == "none"
    assert "mlp is not offered" in panel.settings.hint.value
    model = app.load(MODELS[CLASSIFICATION])
    assert panel.settings.use.value == LOADED
    found = ask(panel, CLASSIFICATION, "The room was lovely.")
    assert found.label == "good"
    assert panel.pipe.model is model
    assert panel.code.startswith("model = wb.load(")
    assert run_code(panel.code) == found
    panel.close_pipe()


@pytest.mark.parametrize(
    ("task", "fields", "says"),
    [
        (CLASSIFICATION, {"text": " \n"}, "There is no text"),
        (CLASSIFICATION, {"model": ""}, "No model is named"),
        (ANSWERS, {"question": ""}, "There is no question"),
        (GENERATION, {"model": CLASSIFICATION}, "has no head for text-generation"),
        (CLASSIFICATION, {"batch": "many"}, "not a whole number"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(panel, task, fields, says):
    panel.settings.task.value = task
    if "model" in fields:
        panel.settings.source.value = str(MODELS.get(fields["model"], ""))
    if "batch" in fields:
        panel.settings.batching.value, panel.settings.batch["max_queue"].value = True, fields["batch"]
        assert panel.code_footer.code == "", "no code for what is still being written"
    panel.input.text.value = fields.get("text", "The room was lovely.")
    panel.input.question.value = fields.get("question", "Where was Alan born?")
    panel.job.start()
    with pytest.raises(InputError, match=says):
        panel.job.result(60)
    assert says in panel.job.failure.value.split("<details>")[0]
    assert panel.job.state == "failed"
    assert panel.answered is None


def test_a_failed_question_leaves_the_answer_before(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.")
    before = shown(panel)
    panel.settings.source.value = "nowhere/at/all"
    panel.job.start()
    with pytest.raises((LoadError, InputError)):
        panel.job.result(60)
    assert shown(panel) == before
    panel.job.start()


def test_cancel_while_a_model_is_opened_opens_none(panel, monkeypatch):
    from workbench.views import pipeline_panel

    made = []
    opening, go_on, ended = (threading.Event() for _ in range(3))

    def slowly(*arguments, **options):
        opening.set()
        assert go_on.wait(20)
        try:
            made.append(wb.pipeline(*arguments, **options))
        finally:
            ended.set()
        return made[0]

    monkeypatch.setattr(pipeline_panel, "pipeline", slowly)
    panel.settings.task.value = CLASSIFICATION
    panel.job.start()
    assert opening.wait(20)
    panel.job.cancel()
    with pytest.raises(CancelledError):
        panel.job.result(10)
    go_on.set()
    assert panel.job.state == "cancelled"
    assert panel.pipe is None
    assert ended.wait(20)
    assert not made, "the next step of opening ends it"


@pytest.mark.filterwarnings("ignore:Text 1 of 2 was cut")
def test_a_text_that_was_cut_is_said(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.\n" + "lovely " * 400)
    assert f"Text 2 was cut: it has 402 tokens, and the model takes {panel.pipe.tokens.longest}." in shown(panel)


def test_quantising_is_weighed_on_the_texts(panel, monkeypatch):
    monkeypatch.setattr("workbench.views.verdict_panel.BUDGET", 0.0)
    ask(panel, CLASSIFICATION, "The room was lovely.\nThe soup was horrible.")
    assert panel.verdict.layout.display != "none"
    panel.verdict.job.start()
    verdict = panel.verdict.job.result(60)
    words = " ".join(Words(panel.verdict.outcome.value).words.split())
    assert verdict.texts == 2
    assert verdict.best.name in words or "as it is" in words
    for name in ("as it is", "int8", "dynamic", "2 of 2", "rounds in turns"):
        assert name in words
    assert Words(verdict._repr_html_()).words.strip().startswith(words[:20])
    panel.settings.task.value = ENTITIES
    assert panel.verdict.layout.display == "none"


def test_a_tile_of_the_empty_panel_is_one_click_to_an_answer():
    panel = PipelinePanel()
    _, tiles = panel.outcome.children[0].children
    assert len(tiles.children) == len(FORMS)
    tiles.children[list(FORMS).index(ENTITIES)].children[0].click()
    assert panel.settings.task.value == ENTITIES
    assert panel.settings.source.value == "sample:tiny-tagger"
    found = panel.job.result(60).found
    assert [one.entity for one in found[0]] == ["PER", "ORG", "LOC"]
    assert "Ada Lovelace PER" in shown(panel)
    panel.close_pipe()
