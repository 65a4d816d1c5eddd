"""The Pipelines panel around its answers: batches, cache, models, what cannot be asked, Cancel and the verdict."""

import shutil
import threading
from concurrent.futures import CancelledError

import pytest

import workbench as wb
from workbench.errors import InputError, LoadError
from workbench.models.cache import CacheConfig, ModelCache
from workbench.models.trained import trained
from workbench.views.pipelines.forms import ANSWERS, CLASSIFICATION, ENTITIES, FORMS, GENERATION
from workbench.views.pipelines.panel import PipelinePanel
from workbench.views.pipelines.settings import LOADED
from workbench.views.status import progress_html

from ..alike import same  # noqa: TID252
from ..models import hub_of_many  # noqa: TID252
from .asking import MODELS, ask, opened, run_code, shown
from .reading import Words


@pytest.fixture
def panel():
    yield from opened()


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
    assert same(run_code(panel.code), found)


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
    panel.settings.task.value = GENERATION
    assert panel.settings.use.layout.display == "none"
    assert "mlp is not offered" in panel.settings.hint.value
    model = app.load(MODELS[CLASSIFICATION])
    assert panel.settings.use.value == LOADED
    assert panel.settings.task.value == CLASSIFICATION, "what it is made for"
    found = ask(panel, CLASSIFICATION, "The room was lovely.")
    assert found.label == "good"
    assert panel.pipe.model is model
    assert panel.code.startswith("model = wb.load(")
    assert same(run_code(panel.code), found)
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
    from workbench.views.pipelines import panel as pipeline_panel

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


def test_a_pipeline_says_the_same_in_text_and_in_html(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.")
    page = panel.pipe._repr_html_()
    told = " ".join(Words(page).words.split())
    assert page == panel.pipe._repr_html_()
    assert told.startswith("text-classification: tiny-classifier")
    for name, value in panel.pipe.facts:
        assert f"{name} {value}" in told or not value
        assert value in repr(panel.pipe)
    panel.close_pipe()
    assert panel.pipe is None


@pytest.mark.filterwarnings("ignore:Text 1 of 2 was cut")
def test_a_text_that_was_cut_is_said(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.\n" + "lovely " * 400)
    assert f"Text 2 was cut: it has 402 tokens, and the model takes {panel.pipe.tokens.longest}." in shown(panel)


def test_quantising_is_weighed_on_the_texts(panel, monkeypatch):
    monkeypatch.setattr("workbench.views.pipelines.verdict_panel.BUDGET", 0.0)
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


def test_weighing_is_cancelled_and_the_pipeline_goes_on(panel):
    ask(panel, CLASSIFICATION, "The room was lovely.\nThe soup was horrible.")
    waiting, told = panel.verdict.job.status.value, threading.Event()
    panel.verdict.job.status.observe(
        lambda change: told.set() if change["new"] not in (waiting, progress_html("starting", None)) else None, "value"
    )
    panel.verdict.job.start()
    assert told.wait(60)
    panel.verdict.job.cancel_button.click()
    with pytest.raises(CancelledError):
        panel.verdict.job.result(60)
    assert (panel.verdict.verdict, panel.verdict.outcome.value) == (None, "")
    assert "Cancelled." in panel.verdict.job.status.value
    assert [one.label for one in ask(panel, CLASSIFICATION, "The room was ugly.\nThe tea was fresh.")] == [
        "bad",
        "good",
    ]


def test_two_clicks_on_run_ask_once(panel, monkeypatch):
    from workbench.views.pipelines import panel as pipeline_panel

    made, go_on = [], threading.Event()

    def slowly(*arguments, **options):
        assert go_on.wait(20)
        made.append(wb.pipeline(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(pipeline_panel, "pipeline", slowly)
    panel.settings.task.value, panel.input.text.value = CLASSIFICATION, "The room was lovely."
    for _ in range(2):
        panel.job.run_button.click()
    go_on.set()
    assert panel.job.result(60).found.label == "good"
    assert made == [panel.pipe]


def test_code_of_a_model_runs_only_where_that_is_asked_and_what_it_means_is_said(panel, tmp_path):
    settings = panel.settings
    fields = (settings.revision, settings.trust, settings.warning)

    def seen():
        return [field.layout.display is None for field in fields]

    assert seen() == [False, False, False], "a sample has no code"
    settings.choose(CLASSIFICATION, "team/model")
    assert seen() == [True, True, False]
    settings.revision.value = "v1.0 "
    settings.trust.value = True
    assert seen() == [True, True, True]
    assert 'revision="v1.0", trust_remote_code=True' in panel.code
    settings.source.value = str(tmp_path)
    assert seen() == [False, True, True], "a folder has no revisions"
    assert "revision" not in panel.code
    settings.choose(CLASSIFICATION, MODELS[CLASSIFICATION])
    assert "trust_remote_code" not in panel.code


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
