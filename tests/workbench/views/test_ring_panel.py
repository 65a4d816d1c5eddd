"""The Ring panel with real kernels: launched, called, seen on the board, taken through their states, and shut down."""

import ast
import asyncio
import sys
import time
from collections import Counter

import numpy as np
import pytest

import fused_kernels as fk
import workbench as wb
from workbench.errors import InputError
from workbench.ring.states import STEPS
from workbench.views.ring.board import VERBS
from workbench.views.ring.launch import FUNCTION
from workbench.views.ring.messages import SENDER
from workbench.views.ring.panel import AUDIT, KERNELS, RingPanel

from .reading import Words


@pytest.fixture
def panel():
    panel = RingPanel()
    yield panel
    panel.close()


@pytest.fixture
def count(monkeypatch):
    """A function with a state, as a cell of the notebook would define it."""

    def count(state, word):
        if word == "bad":
            raise ValueError("no such word")
        if word == "die":
            raise SystemExit("gone")
        state[word] += 1
        return state[word]

    count.__module__ = "__main__"
    monkeypatch.setattr(sys.modules["__main__"], "count", count, raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "Counter", Counter, raising=False)


def launch(panel, **fields):
    for name, value in fields.items():
        field = getattr(panel.form, name, None) or panel.form.options.fields["kernel"][name]
        field.value = value
    panel.launching.start()
    return panel.launching.result(30)


def launch_counter(panel, **fields):
    return launch(panel, what=FUNCTION, function="count", state="Counter", **fields)


def exchange(panel, verb, text=None):
    if text is not None:
        panel.messages.text.value = text
    panel.messages.start(verb)
    return panel.messages.job.result(30)


def press(panel, name, verb):
    """Press a button of the board, and wait for what it does."""
    panel.board._handle_custom_msg({"kernel": name, "verb": verb}, [])
    asyncio.run(panel.stepped())


def until(true):
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def words(widget):
    return " ".join(Words(widget.value).words.split())


def row(panel, name="count"):
    (found,) = [row for row in panel.board.rows if row["name"] == name]
    return found


def cells(panel, name="count"):
    return dict(zip(panel.board._columns, row(panel, name)["cells"], strict=True))


def test_an_operation_is_launched_and_called_and_the_code_does_the_same(panel):
    assert panel.code == 'runtime = wb.Runtime()\nruntime.launch("softmax")'
    handle = launch(panel)
    assert (handle.name, handle.state) == ("softmax", "active")
    assert panel.board.chosen == "softmax"
    assert panel.form.name.placeholder == "softmax-2"
    panel.messages.shape.value, panel.messages.dtype.value = "8x64", "float64"
    found = exchange(panel, "call")
    *lines, last = panel.code.splitlines()
    names = {"wb": wb}
    exec("\n".join(lines), names)
    np.testing.assert_allclose(eval(last, names), found.replies[0].value)
    names["runtime"].shutdown()
    sample = fk.OPS["softmax"].sample((8, 64), np.dtype("float64"), np.random.default_rng(0))
    np.testing.assert_allclose(found.replies[0].value, fk.softmax(**sample))
    assert "float64 8 \N{MULTIPLICATION SIGN} 64" in words(panel.messages.replies)
    assert words(panel.head).startswith("1 kernel, active. 1 message")


def test_a_function_of_the_notebook_keeps_its_state_and_the_code_names_it(panel, count):
    launch_counter(panel, name="words", capacity="4")
    assert [exchange(panel, "call", word).replies[0].value for word in ("a", "b", "a")] == [1, 1, 2]
    assert panel.code == (
        'runtime = wb.Runtime()\nruntime.launch("words", handler=count, state=Counter, capacity=4)\n'
        'message = "a"\nruntime["words"].call(message, timeout=60.0)'
    )
    panel.form.name.value = "others"
    assert panel.code.endswith('runtime.launch("others", handler=count, state=Counter, capacity=4)')


@pytest.mark.parametrize("start", [True, False])
def test_the_board_offers_the_steps_that_are_legal_and_no_other(panel, count, start):
    handle = launch_counter(panel, auto_activate=start)
    for verb in ([] if start else ["activate"]) + ["deactivate", "activate", "terminate"]:
        assert row(panel)["steps"] == [VERBS[state] for state in STEPS[handle.state]]
        press(panel, "count", verb)
        assert VERBS[handle.state] == verb
        assert row(panel)["state"] == handle.state
    assert panel.failure.value == ""
    press(panel, "count", "forget")
    assert panel.board.rows == []
    assert panel.empty.layout.display is None


def test_two_clicks_do_what_one_does(panel, count):
    panel.form.what.value, panel.form.function.value, panel.form.state.value = FUNCTION, "count", "Counter"
    panel.launching.rest = 60
    for _ in range(2):
        panel.launching.run_button.click()
    handle = panel.launching.result(30)
    panel.launching.run_button.click()
    assert list(panel.runtime) == ["count"]
    for _ in range(2):
        panel.step("count", "deactivate")
    asyncio.run(panel.stepped())
    press(panel, "count", "deactivate")
    assert (handle.state, panel.failure.value) == ("deactivated", "")


def test_what_waits_and_what_is_refused_is_on_the_board_and_comes_when_it_is_active(panel, count):
    launch_counter(panel, capacity="4", when_full="refuse")
    press(panel, "count", "deactivate")
    panel.messages.times.value = "6"
    found = exchange(panel, "send", "a")
    assert (found.count, found.refused) == (4, 2)
    assert "4 messages, 2 refused" in words(panel.messages.job.status)
    assert (cells(panel)["waiting"], cells(panel)["refused"], row(panel)["full"]) == ("4 of 4", "2", 1.0)
    press(panel, "count", "activate")
    panel.runtime["count"].call("b")
    found = exchange(panel, "receive")
    assert [reply.value for reply in found.replies] == [1, 2, 3, 4]
    assert cells(panel)["answered"] == "5"
    assert exchange(panel, "receive").count == 0


def test_a_call_that_is_not_answered_is_a_sentence_or_is_cancelled(panel, count):
    launch_counter(panel)
    press(panel, "count", "deactivate")
    panel.messages.patience.value = "0"
    with pytest.raises(wb.WorkbenchError, match="deactivated"):
        exchange(panel, "call", "a")
    panel.refresh()
    assert cells(panel)["timed out"] == "1"
    panel.messages.patience.value = ""
    panel.messages.start("call")
    until(lambda: panel.runtime["count"].status.waiting)
    panel.messages.job.cancel()
    assert asyncio.run(panel.messages.job.finished()) == "cancelled"
    press(panel, "count", "activate")
    assert exchange(panel, "call", "a").replies[0].value == 1, "what was given up was not counted"


def test_a_handler_that_raises_or_dies_is_told_and_the_kernel_lives_on(panel, count):
    handle = launch_counter(panel, restarts="1")
    exchange(panel, "call", "a")
    found = exchange(panel, "call", "bad")
    assert (found.count, found.failed) == (0, 1)
    assert "ValueError: no such word" in words(panel.messages.replies)
    with pytest.raises(wb.WorkbenchError, match="died of SystemExit"):
        exchange(panel, "call", "die")
    assert exchange(panel, "call", "a").replies[0].value == 1, "it began anew"
    assert "restarted 1 of at most 1 times" in row(panel)["about"]
    with pytest.raises(wb.WorkbenchError, match="is terminated"):
        exchange(panel, "call", "die")
    panel.refresh()
    assert handle.state == row(panel)["state"] == "terminated"
    assert "died of SystemExit" in row(panel)["about"]


def test_wrong_input_is_a_sentence(panel, count):
    with pytest.raises(InputError, match="Did you mean 'count'"):
        launch(panel, what=FUNCTION, function="cuont")
    assert "Did you mean" in panel.launching.failure.value
    with pytest.raises(InputError, match="capacity"):
        launch_counter(panel, capacity="many")
    assert panel.code_footer.code == "", "what is still being written has no code"
    launch_counter(panel, capacity="8", name="one")
    with pytest.raises(InputError, match="There is a kernel 'one' already"):
        launch_counter(panel, name="one")
    for field, value, match in (("times", "0", "Times"), ("patience", "soon", "Wait at"), ("text", " ", "message")):
        before = getattr(panel.messages, field).value
        getattr(panel.messages, field).value = value
        with pytest.raises(InputError, match=match):
            exchange(panel, "call")
        getattr(panel.messages, field).value = before
    launch(panel, what="operation", operation="softmax", name="")
    panel.messages.shape.value = "8x8x8"
    with pytest.raises(InputError, match="rows x columns"):
        exchange(panel, "call")
    panel.messages.shape.value = "1000000x1000000"
    with pytest.raises(InputError, match="smaller"):
        exchange(panel, "call")


def test_results_go_on_to_another_kernel_which_is_drawn(panel, count):
    launch_counter(panel, name="first")
    launch_counter(panel, name="second")
    panel.board.chosen = "first"
    assert list(panel.messages.route.options) == [SENDER, "second"]
    panel.messages.route.value = "second"
    assert exchange(panel, "call", "a").replies[0].value == 1
    assert "first goes on to second" in panel.routes.value
    assert (cells(panel, "first")["answered"], cells(panel, "second")["answered"]) == ("0", "1")
    assert 'runtime.route("first", "second")' in panel.code
    press(panel, "second", "terminate")
    assert "there is no such kernel" not in panel.routes.value, "it is on the board still"
    press(panel, "second", "forget")
    assert "there is no such kernel" in panel.routes.value
    panel.messages.route.value = SENDER
    assert panel.routes.value == ""


def test_dead_letters_say_why(panel, count):
    launch_counter(panel)
    panel.runtime["count"].send("bad", reply=False)
    panel.runtime["count"].call("a")
    panel.refresh()
    assert "Dead letters: 1" in words(panel.letters)
    assert "its handler raised, and no reply was asked for" in words(panel.letters)
    assert "'bad'" in words(panel.letters)


def test_kernels_of_code_are_there_while_the_panel_is_seen_and_nothing_runs_when_it_is_not(panel):
    panel.runtime.launch("double", handler=lambda number: 2 * number)
    assert panel.board.rows == []
    assert not panel.in_sight.looking
    panel.in_sight.seen += 1
    until(lambda: panel.board.rows)
    assert panel.in_sight.looking
    assert row(panel, "double")["about"] == "the handler <lambda>"
    panel.in_sight.seen = 0
    until(lambda: not panel.in_sight.looking)


def test_what_did_not_change_is_not_sent_again(panel, count):
    launch_counter(panel)
    sent = []
    for one in (panel.board, panel.head, panel.letters, panel.routes, panel.messages.heading, panel.code_footer):
        one.observe(lambda change: sent.append(change.name))
    panel.refresh()
    panel.refresh()
    assert sent == []
    panel.runtime["count"].call("a")
    panel.refresh()
    assert set(sent) == {"_rows", "value"}


def test_a_runtime_that_code_shuts_down_is_said_and_replaced(panel, count):
    launch_counter(panel)
    before = panel.runtime
    before.shutdown()
    panel.refresh()
    assert "The runtime was shut down. Launch begins a new one." in words(panel.head)
    assert row(panel)["state"] == "terminated"
    with pytest.raises(wb.WorkbenchError, match="terminated"):
        exchange(panel, "call", "a")
    launch_counter(panel)
    assert panel.runtime is not before
    assert exchange(panel, "call", "a").replies[0].value == 1


def test_closing_ends_what_the_panel_made_and_leaves_what_it_was_given(count):
    panel, runtime = RingPanel(), wb.Runtime()
    launch_counter(panel)
    made = panel.runtime
    panel.show_runtime(runtime)
    assert made.closed
    runtime.launch("softmax")
    panel.refresh()
    assert row(panel, "softmax")["steps"] == ["deactivate", "terminate"]
    panel.in_sight.seen += 1
    panel.close()
    assert not runtime.closed
    runtime.shutdown()
    until(lambda: not panel.in_sight.looking)


def test_each_thing_to_do_shows_its_own_fields_and_code(panel):
    shown = {what: side.layout.display for what, side in panel._sides.items()}
    assert shown == {KERNELS: None, "stream": "none", AUDIT: "none"}
    for what, calls in ((KERNELS, "runtime.launch"), ("stream", "wb.ring.stream_texts"), (AUDIT, "wb.bench.ring()")):
        panel.what.value = what
        assert calls in panel.code_footer.code
        compile(panel.code_footer.code, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
