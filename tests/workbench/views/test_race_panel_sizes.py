"""The Race panel over sizes and as a roofline: real ones in a child process, live, and code that does the same."""

from concurrent.futures import CancelledError

import pytest

from fused_kernels.catalog import OPS
from workbench.bench.sweeps.advice import answer, remarks
from workbench.bench.sweeps.process import roofline_in_process, sweep_in_process
from workbench.views import html
from workbench.views.races import race_panel
from workbench.views.races.race_panel import ONE, ROOFLINE, SIZES, RacePanel
from workbench.views.races.sweep_views import RooflineView, SweepView


@pytest.fixture
def panel(monkeypatch):
    """A panel whose sweeps have three small sizes, and whose rooflines two operations."""

    def few_sizes(op, **options):
        return sweep_in_process(op, shapes=[16, 256, 4096], budget=0, **options)

    def few_operations(**options):
        return roofline_in_process(ops=["scale", "relu"], shape=[64, 64], budget=0, **options)

    monkeypatch.setattr(race_panel, "sweep_in_process", few_sizes)
    monkeypatch.setattr(race_panel, "roofline_in_process", few_operations)
    panel = RacePanel("scale")
    for name in set(panel.checks) - {"numba", "numpy"}:
        panel.checks[name].value = False
    yield panel
    panel.job.cancel()


def hidden(widget):
    return widget.layout.display == "none"


def test_only_what_counts_is_shown_and_the_code_follows(panel):
    assert panel.what.value == ONE
    panel.what.value = SIZES
    assert hidden(panel.shapes)
    assert not hidden(panel.operation)
    assert panel.code_footer.code == 'wb.sweep("scale", dtypes=["float32"], contenders=["numba", "numpy"])'
    assert "half a minute" in panel.job.status.value
    panel.what.value = ROOFLINE
    assert hidden(panel.operation)
    assert panel.code_footer.code == 'wb.roofline(dtype="float32", contenders=["numba", "numpy"])'
    panel.what.value = ONE
    assert not hidden(panel.shapes)
    assert panel.code_footer.code.startswith('wb.compare("scale", shape=')


def test_a_sweep_grows_in_the_panel(panel, monkeypatch):
    seen = []
    grow = panel._grow
    monkeypatch.setattr(panel, "_grow", lambda sweep: (grow(sweep), seen.append(panel.outcome.children[0])))
    panel.what.value = SIZES
    panel.job.run_button.click()
    sweep = panel.job.result(120)
    assert panel.sweep == sweep
    assert [point.size for point in sweep.points] == [16, 256, 4096]
    (view,) = panel.outcome.children
    assert isinstance(view, SweepView)
    words = view.children[0].value
    assert all(html.escape(sentence) in words for sentence in [*answer(sweep), *remarks(sweep)])
    assert [list(figure.data[0].x) for figure in view.figures] == [[16, 256, 4096]] * 2
    assert all(other is view for other in seen[1:]), "the view is changed and not made anew"


def test_cancel_keeps_the_sizes_that_are_done(panel, monkeypatch):
    grow = panel._grow

    def grow_and_cancel(sweep):
        grow(sweep)
        if sweep.races:
            panel.job.cancel()

    monkeypatch.setattr(panel, "_grow", grow_and_cancel)
    panel.what.value = SIZES
    panel.job.run_button.click()
    with pytest.raises(CancelledError):
        panel.job.result(120)
    assert 1 <= len(panel.sweep.races) < 3
    assert isinstance(panel.outcome.children[0], SweepView)


def test_a_roofline_stands_in_the_panel(panel):
    panel.what.value = ROOFLINE
    panel.job.run_button.click()
    roofline = panel.job.result(180)
    assert {point.op for point in roofline.points} == {"scale", "relu"}
    (view,) = panel.outcome.children
    assert isinstance(view, RooflineView)
    assert " reaches " in view.children[0].value
    assert (
        "FLOP/s" in view.figure.layout.yaxis.title.text or "operations a second" in view.figure.layout.yaxis.title.text
    )


def test_an_operation_of_the_user_is_swept_here(panel):
    import fused_kernels as fk

    @fk.elementwise
    def panel_cube(x):
        return x * x * x

    try:
        other = RacePanel("panel_cube")
        for name in set(other.checks) - {"numba", "numpy"}:
            other.checks[name].value = False
        other.what.value = SIZES
        other.job.start()
        assert len(other.job.result(120).races) == 3
    finally:
        OPS.remove("panel_cube")
