"""The Race panel: choose an operation, sizes and contenders, run them in a process of their own, read who won."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from fused_kernels.catalog import OPS
from workbench.bench import contenders
from workbench.bench.environment import gpu
from workbench.bench.process import race_in_process
from workbench.bench.progress import Progress, SuiteProgress
from workbench.bench.race import Race
from workbench.bench.racing.contest import parse_shape
from workbench.bench.rooflines.roofline import Roofline
from workbench.bench.sweeps.process import roofline_in_process, sweep_in_process
from workbench.bench.sweeps.swept import Sweep
from workbench.errors import InputError
from workbench.models.model import Model
from workbench.models.op_shapes import shapes_in
from workbench.text import format_sizes
from workbench.views import controls, html, template, theme
from workbench.views.code_footer import CodeFooter
from workbench.views.files import Files
from workbench.views.jobs import Job, Report
from workbench.views.status import guarded

from . import race_card, race_chart
from .sweep_views import RooflineView, SweepView

OTHER = "other"
OURS = ("numba", *contenders.OURS)
ONE, SIZES, ROOFLINE = "one size", "over sizes", "roofline"
"""What the panel runs: a race, a sweep, or a race of every operation under the ceilings of the machine."""

WARM, COLD = "warm", "cold"
CACHES = {
    WARM: "each call finds its arrays as the call before left them",
    COLD: "each call finds its arrays outside the caches of the processor",
}


class RacePanel(widgets.VBox):  # type: ignore[misc]
    """Race NumPy against the fused kernels and other libraries, side by side.

    Parameters
    ----------
    op
        The operation to begin with.
    done
        Called with each finished :class:`~workbench.bench.race.Race`.

    Attributes
    ----------
    race
        The last finished race, or None; a cancelled or failed one leaves it as it was.
    sweep
        The last sweep, or None; of one that was cancelled what was done by then.
    roofline
        The last finished roofline, or None.
    job
        What Run and Cancel do, as a :class:`~workbench.views.jobs.Job`.
    """

    def __init__(self, op: str = "layer_norm", done: Callable[[Race], None] | None = None) -> None:
        self.race: Race | None = None
        self.sweep: Sweep | None = None
        self.roofline: Roofline | None = None
        self._model: Model | None = None
        self._finished = done
        self.job: Job[Race | Sweep | Roofline] = Job(self._run, self._show, hint=_HINTS[ONE])
        self.what = controls.pills("What to race", _HINTS)
        self.operation = controls.dropdown("Operation", OPS, value=op)
        self.formula = widgets.HTML().add_class("fw-formula")
        self.shapes = controls.pills("Shape", [])
        self.other_shape = controls.text("Another shape", placeholder="such as 512x768")
        self.dtypes = controls.pills("Dtype", [])
        self.cache = controls.pills("Cache", CACHES)
        self.cache.tooltips = list(CACHES.values())
        self.device = controls.pills("Device", [contenders.CPU, *([contenders.CUDA] if gpu() else [])])
        self.field = widgets.VBox()
        self.checks: dict[str, widgets.Checkbox] = {}
        self.outcome = widgets.VBox([widgets.HTML(_EMPTY)])
        self.code_footer = CodeFooter()
        side = controls.box(
            *(
                self.what,
                self.operation,
                self.formula,
                self.shapes,
                self.other_shape,
                self.dtypes,
                self.cache,
                self.device,
                self.field,
                self.job,
            ),
            classes="fw-side",
        )
        main = controls.box(self.job.failure, self.outcome, classes="fw-main")
        split = controls.box(side, main, classes="fw-split")
        super().__init__([split, self.code_footer])
        self.operation.observe(guarded(self._choose_operation, self.job.failure), "value")
        for choice in (self.shapes, self.other_shape, self.dtypes, self.cache):
            choice.observe(guarded(self._update, self.job.failure), "value")
        for choice in (self.what, self.device):
            choice.observe(guarded(self._choose_what, self.job.failure), "value")
        self._choose_what()

    @property
    def shape(self) -> tuple[int, ...]:
        """The chosen shape; an :class:`~workbench.errors.InputError` if the typed one is none."""
        if self.shapes.value != OTHER:
            return tuple(self.shapes.value)
        return parse_shape(self.other_shape.value)

    @property
    def contenders(self) -> list[str]:
        """The contenders that are ticked."""
        return [name for name, check in self.checks.items() if check.value]

    @property
    def code(self) -> str:
        """The code that runs the same race, sweep or roofline."""
        options = self._options()
        if self.what.value == ROOFLINE:
            return controls.call("wb.roofline", **options)
        return controls.call("wb.sweep" if self.what.value == SIZES else "wb.compare", self.operation.value, **options)

    def _options(self) -> dict[str, Any]:
        chosen, dtype = self.contenders, self.dtypes.value
        if self.what.value == ROOFLINE:
            return {"dtype": dtype, "contenders": chosen}
        named = None if chosen == contenders.usual(OPS[self.operation.value], self._side) else chosen
        if self.what.value == SIZES:
            return {"dtypes": [dtype], "contenders": named}
        cache = None if self.cache.value == WARM else self.cache.value
        device = None if self._side == contenders.CPU else self._side
        return {"shape": self.shape, "dtype": dtype, "contenders": named, "cache": cache, "device": device}

    def _choose_what(self, *_: Any) -> None:
        what = self.what.value
        for field in (self.operation, self.formula):
            controls.show(field, what != ROOFLINE)
        for field in (self.shapes, self.cache):
            controls.show(field, what == ONE)
        controls.show(self.device, what == ONE and len(self.device.options) > 1)
        self.job.say(_HINTS[what])
        self._choose_operation()

    @property
    def _side(self) -> str:
        """Where it is raced: only a single race knows the GPU."""
        return str(self.device.value) if self.what.value == ONE else contenders.CPU

    def show_model(self, model: Model | None) -> None:
        """Offer the shapes that the operations have in a model, beside their own; None takes them away."""
        self._model = model
        self._choose_operation()

    def _choose_operation(self, *_: Any) -> None:
        op = OPS[self.operation.value]
        here = shapes_in(self._model, op.name) if self._model is not None else []
        times = f"{sum(count for _, count in here)} in this model, most as {_label(here[0][0])}" if here else ""
        self.formula.value = "".join(f'<p class="fw-muted">{html.escape(line)}</p>' for line in (op.summary, times))
        shapes = list(dict.fromkeys([*op.shapes[:1], *(shape for shape, _ in here[:2]), *op.shapes[1:]]))
        self._offer(self.shapes, [*((_label(shape), shape) for shape in shapes), (OTHER, OTHER)])
        narrow = ("float16", "bfloat16") if self._side == contenders.CUDA else ()
        self._offer(self.dtypes, [(dtype, dtype) for dtype in (*op.tolerance, *narrow)])
        self.other_shape.placeholder = f"{' x '.join(op.dimensions)}, such as {_label(op.shapes[-1])}"
        self._choose_contenders(op.name)
        self._update()

    @staticmethod
    def _offer(choice: widgets.ToggleButtons, options: list[tuple[str, Any]]) -> None:
        """Offer other options, and keep the choice where it is still among them."""
        before = choice.value
        choice.options = options
        values = [value for _, value in options]
        choice.value = before if before in values else values[0]

    def _choose_contenders(self, name: str) -> None:
        ticked = {name: check.value for name, check in self.checks.items()}
        usual = contenders.usual(OPS[name], self._side)
        present, absent = contenders.available(OPS[name], self._side), contenders.absent(OPS[name], None, self._side)
        colours = theme.contender_colours(list(present))
        self.checks = {}
        rows: list[widgets.Widget] = [widgets.HTML('<div class="fw-label">Contenders</div>')]
        for contender, version in present.items():
            chosen = ticked.get(contender, contender in usual)
            check = widgets.Checkbox(value=chosen, description=contender, indent=False)
            check.observe(guarded(self._update, self.job.failure), "value")
            self.checks[contender] = check
            swatch = widgets.HTML(f'<span class="fw-swatch" style="background:{colours[contender]}"></span>')
            number = version.removeprefix(f"{contender} ")
            words = f"ours, {number}" if contender in OURS else number
            note = widgets.HTML(f'<span class="fw-muted">{html.escape(words)}</span>')
            rows.append(widgets.HBox([swatch, check, note]).add_class("fw-contender"))
        rows += [
            widgets.HTML(f'<div class="fw-absent">{html.escape(f"{contender}: {reason}")}</div>')
            for contender, reason in absent.items()
        ]
        self.field.children = rows

    def _update(self, *_: Any) -> None:
        controls.show(self.other_shape, self.what.value == ONE and self.shapes.value == OTHER)
        try:
            self.code_footer.code = self.code
        except InputError:
            self.code_footer.code = ""  # a shape that is still being typed has no code

    async def _run(self, report: Report) -> Race | Sweep | Roofline:
        def progress(step: Progress) -> None:
            report(str(step), step.fraction if step.rounds else None)

        def far(step: SuiteProgress) -> None:
            report(str(step), step.fraction)

        op, options = self.operation.value, self._options()
        if self.what.value == ROOFLINE:
            return await roofline_in_process(progress=far, **options)
        if self.what.value == SIZES:
            return await sweep_in_process(op, grown=self._grow, progress=far, **options)
        given = {name: value for name, value in options.items() if value is not None}
        return await race_in_process(op, progress=progress, **given)

    def _grow(self, sweep: Sweep) -> None:
        """Show a sweep as far as it is; the view stays the same one while it grows."""
        (view,) = self.outcome.children
        if sweep.races and isinstance(view, SweepView):
            view.show(sweep)
        elif sweep.races:
            self.outcome.children = [SweepView(sweep)]
        self.sweep = sweep

    def _show(self, found: Race | Sweep | Roofline) -> None:
        if isinstance(found, Sweep):
            self._grow(found)
        elif isinstance(found, Roofline):
            self.roofline = found
            self.outcome.children = [RooflineView(found)]
        else:
            self.race = found
            self.outcome.children = [RaceView(found)]
            if self._finished is not None:
                self._finished(found)


class RaceView(widgets.VBox):  # type: ignore[misc]
    """A finished race: the verdict, its conditions, the chart, and the numbers folded away and as files."""

    def __init__(self, race: Race) -> None:
        self.figure = template.live(race_chart.race(race, title=False))
        self.files = Files(race, f"{race.op} {format_sizes(race.shape)} {race.dtype}")
        rest = widgets.HTML(race_card.absent(race) + race_card.details(race))
        super().__init__([widgets.HTML(race_card.answer(race)), self.figure, rest, self.files])


def _label(shape: tuple[int, ...]) -> str:
    return format_sizes(shape, html.MULTIPLICATION_SIGN)


_HINTS = {
    ONE: "Takes a few seconds, in a process of its own.",
    SIZES: "Takes about half a minute; the lines grow meanwhile.",
    ROOFLINE: "Races every operation of the catalogue: about a minute.",
}
_EMPTY = (
    '<div class="fw-empty"><b>Who is faster, and how sure is that?</b>'
    "Choose an operation and press Run. All contenders compute the same thing in turns, each result is checked against "
    "float64, and the answer stands here.</div>"
)
