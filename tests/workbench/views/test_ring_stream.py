"""Texts through three kernels in the Ring panel, and the audit of round trips beside it."""

import ast
import asyncio
import contextlib
import io
import time
from inspect import CO_COROUTINE
from types import FunctionType

import numpy as np
import pytest

import workbench as wb
from workbench.bench.race import Ratio
from workbench.errors import InputError
from workbench.ring.findings import Bar, RingAudit, Trip
from workbench.views.ring import audit as ring_audit
from workbench.views.ring import chart as ring_chart
from workbench.views.ring.panel import AUDIT, STREAM, RingPanel

from .reading import Words

TEXTS = ["The room was lovely.", "The soup was cold and the waiter was rude.", "The room was lovely."]


@pytest.fixture
def panel():
    panel = RingPanel()
    panel.what.value = STREAM
    panel.stream.classifier.value, panel.stream.embedder.value = "sample:tiny-classifier", "sample:tiny-bert"
    panel.stream.texts.value = "\n".join(TEXTS)
    yield panel
    panel.close()


def streamed(panel):
    panel.stream.job.run_button.click()
    return panel.stream.job.result(60)


def shown(panel):
    parts = [child.value for child in panel.stream.outcome.children if hasattr(child, "value")]
    return " ".join(Words("".join(parts)).words.split())


def run_cell(code):
    """Run code as a cell does, with await at its top; return what it prints."""
    compiled = compile(code, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert compiled.co_flags & CO_COROUTINE
    names, printed = {"wb": wb}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        asyncio.run(FunctionType(compiled, names)())
    names["runtime"].shutdown()
    return printed.getvalue()


def test_each_text_has_a_label_and_one_that_it_is_like_and_the_code_does_the_same(panel):
    found = streamed(panel)
    assert [record.text for record in found.records] == TEXTS
    assert [record.label.label for record in found.records] == ["good", "bad", "good"]
    with wb.pipeline("feature-extraction", "sample:tiny-bert") as pipe:
        np.testing.assert_allclose(found.similarities, pipe.similarity(pipe(TEXTS)), atol=1e-5)
    np.testing.assert_allclose(panel.stream.figure.data[0].z, found.similarities, atol=1e-6)
    assert "2 good, 1 bad; 1 and 3 are closest: cosine 1.00." in shown(panel)
    assert "1, cosine 1.00" in shown(panel)
    assert [row["name"] for row in panel.board.rows] == ["labels", "vectors", "similar"]
    printed = [f"{record.text} {record.label.label}" for record in found.records]
    assert run_cell(panel.code).splitlines() == printed
    panel.stream.texts.value = TEXTS[1]
    kernels = [panel.runtime[name] for name in panel.runtime]
    again = streamed(panel)
    assert again.similarities.shape == (1, 1), "what came before is forgotten"
    assert [panel.runtime[name]._kernel for name in panel.runtime] == [kernel._kernel for kernel in kernels]
    panel.stream.classifier.value = "sample:tiny-tagger"
    with pytest.raises(wb.WorkbenchError, match="no head for text-classification"):
        streamed(panel)
    assert len(panel.runtime) == 3, "what worked before is there still"
    assert panel.stream.streamed is again


def test_a_stream_is_cancelled_and_what_came_is_kept(panel):
    panel.stream.texts.value = "\n".join(TEXTS * 2000)
    panel.stream.job.start()
    give_up = time.monotonic() + 60
    while panel.stream.streamed is None:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    panel.stream.job.cancel()
    assert asyncio.run(panel.stream.job.finished()) == "cancelled"
    assert 0 < panel.stream.streamed.count < 6000
    assert "texts in" in shown(panel)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [("texts", " \n", "no text"), ("batch", "x", "whole number"), ("embedder", "", "No embedder")],
)
def test_wrong_input_is_a_sentence(panel, field, value, match):
    getattr(panel.stream, field).value = value
    with pytest.raises(InputError, match=match):
        streamed(panel)
    assert panel.code_footer.code == ""


def audit_of(**seconds):
    trips = tuple(
        Trip(message, way, scale * value, 0.9 * scale * value, 1.2 * scale * value)
        for message, scale in (("a number", 1.0), ("1 MB softmax", 50.0))
        for way, value in seconds.items()
    )
    bars = (Bar("call over a thread pool, at least 2x", Ratio(83.0, 40.0, 89.0), 2.0),)
    return RingAudit(trips, bars, 3, {"cpu": "a <CPU>", "cores": 2, "python": "3.11"}, 1.4, "not timed: none here")


def test_the_chart_of_an_audit_has_a_bar_for_each_way_and_says_what_a_call_takes():
    ways = {"plain call": 5e-8, "call": 5e-7, "ThreadPoolExecutor.submit().result()": 4.4e-5, "await acall": 6e-5}
    audit = audit_of(**ways)
    figure = audit.plot()
    number, _, softmax, _ = figure.data
    assert list(number.y) == ["plain call", "call", "ThreadPoolExecutor", "await acall"]
    assert list(number.x) == list(ways.values())
    assert list(softmax.x) == [50 * value for value in ways.values()]
    assert [colour == ring_chart.OURS for colour in number.marker.color] == [False, True, False, True]
    assert [note.text for note in figure.layout.annotations] == ["<b>a number</b>", "<b>1 MB softmax</b>"]
    assert "A call of a kernel takes 500\N{NO-BREAK SPACE}ns" in figure.layout.title.text
    assert "1 of 1 bars met" in figure.layout.title.text
    assert "a &lt;CPU&gt;" in figure.layout.title.text


def test_the_audit_is_run_cancelled_and_shown(panel, monkeypatch):
    panel.what.value = AUDIT
    assert panel.code == "wb.bench.ring().plot()"
    panel.audit.rounds.value = 100
    panel.audit.job.start()
    give_up = time.monotonic() + 60
    while "aria-valuenow" not in panel.audit.job.status.value:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    panel.audit.job.cancel()
    assert asyncio.run(panel.audit.job.finished()) == "cancelled"
    assert panel.audit.audit is None
    audit = audit_of(**{"call": 5e-7, "ThreadPoolExecutor.submit().result()": 4.4e-5})
    monkeypatch.setattr(ring_audit, "ring", lambda **_: audit)
    panel.audit.job.run_button.click()
    assert panel.audit.job.result(10) is audit
    head, figure, conditions = panel.audit.outcome.children
    assert "A call of a kernel takes" in head.value
    assert len(figure.data) == 4
    assert "not timed: none here" in conditions.value
