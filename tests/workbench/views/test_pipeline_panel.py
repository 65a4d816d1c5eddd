"""The Pipelines panel with real models: the answers of every task, streams that stop, and code that does the same."""

import time

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.pipelines.results import Answer, Classification, Entities, Generation
from workbench.views.pipelines.forms import ANSWERS, CLASSIFICATION, EMBEDDINGS, ENTITIES, GENERATION
from workbench.views.pipelines.inputs import WHOLE

from ..alike import same  # noqa: TID252
from .asking import ask, opened, run_code, shown


@pytest.fixture
def panel():
    yield from opened()


def test_texts_are_classified_line_by_line_and_the_code_does_the_same(panel):
    found = ask(panel, CLASSIFICATION, "The room was lovely.\n\nThe soup was cold and the waiter was rude.")
    assert [one.label for one in found] == ["good", "bad"]
    assert shown(panel).startswith("1 good, 1 bad 2 texts in")
    assert "The room was lovely. good" in shown(panel)
    assert panel.job.state == "done"
    assert same(run_code(panel.code), found)
    assert panel.code_footer.code == panel.code


def test_one_text_has_one_answer_which_is_large(panel):
    panel.input.lines.value = WHOLE
    found = ask(panel, CLASSIFICATION, "The room was lovely\nand the soup was delicious.")
    assert isinstance(found, Classification)
    assert shown(panel).startswith("good 1 text in")
    several = ask(panel, CLASSIFICATION, "The room was lovely.", top_k="2")
    assert [one.label for one in several] == ["good", "bad"]
    assert same(run_code(panel.code), several)


def test_names_are_marked_in_their_text(panel):
    found = ask(panel, ENTITIES, "Ada Lovelace works for Globex in London.", aggregation_strategy="first")
    assert isinstance(found, Entities)
    assert {one.entity for one in found} == {"PER", "ORG", "LOC"}
    assert "Ada Lovelace PER works for Globex ORG in London LOC ." in shown(panel)
    assert same(run_code(panel.code), found)


def test_an_answer_is_marked_in_its_context(panel):
    panel.settings.task.value = ANSWERS
    panel.input.question.value = "Where was Alan born?"
    found = ask(panel, ANSWERS, "Grace owns a red bicycle. Alan was born in Vienna.")
    assert isinstance(found, Answer)
    assert found.text == "Vienna"
    assert shown(panel).startswith("\N{LEFT DOUBLE QUOTATION MARK}Vienna\N{RIGHT DOUBLE QUOTATION MARK}")
    assert "Alan was born in Vienna ." in shown(panel)
    assert same(run_code(panel.code), found)
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
