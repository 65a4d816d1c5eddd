"""The Ring panel: launch kernels, see them live, send them messages; stream texts through three; time a round trip."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from workbench.errors import InputError
from workbench.ring.handle import KernelHandle
from workbench.ring.metrics import KernelMetrics, KernelStatus
from workbench.ring.runtime import Runtime
from workbench.ring.states import State
from workbench.text import counted
from workbench.views import controls, html
from workbench.views.code_footer import CodeFooter
from workbench.views.in_sight import InSight
from workbench.views.jobs import Job, Report, loop
from workbench.views.keys import Keys
from workbench.views.status import error_html, guarded

from . import card
from .audit import RingAuditPanel
from .board import RingBoard
from .kernels import RingKernels
from .launch import LaunchForm
from .messages import RingMessages
from .routes import routes_svg
from .stream import RingStream

KERNELS, STREAM, AUDIT = "kernels", "stream", "audit"
"""What the panel does: launch and watch kernels, stream texts through three of them, or time round trips."""


class RingPanel(widgets.VBox):  # type: ignore[misc]
    """Launch ring kernels, watch them, and talk to them.

    The panel looks at its runtime four times a second while it can be seen, and not at all otherwise. Kernels that code
    launches in the same runtime are there as well.

    Attributes
    ----------
    what
        What is shown: kernels, a stream of texts through three of them, or the audit of round trips.
    form, launching
        What Launch launches, as fields; and its :class:`~workbench.views.jobs.Job`.
    board, messages
        All kernels; and the chosen one.
    stream, audit
        The other two things.
    failure
        A widget that says why a step of a kernel failed.
    in_sight
        Whether anybody can see the panel.
    """

    def __init__(self) -> None:
        self._kernels = RingKernels()
        self._refreshing = threading.RLock()
        self._stepping: set[str] = set()
        self._composing = True
        self.what = controls.pills("What to do", [KERNELS, STREAM, AUDIT])
        self.form = LaunchForm(lambda: self._kernels.names)
        self.launching: Job[KernelHandle] = Job(
            self._launch,
            self._launched,
            label="Launch",
            said=lambda handle: f"{handle.name} is {handle.state}.",
            rest=0.5,
        )
        self.stream, self.audit = RingStream(self._open), RingAuditPanel()
        self.in_sight = InSight(self._look)
        self.board, self.messages = RingBoard(self.step), RingMessages(self._route, self.refresh)
        self.failure, self.head = widgets.HTML(), widgets.HTML()
        self.routes, self.letters = widgets.HTML(), widgets.HTML()
        self.empty = _empty({KERNELS: self._try_kernel, STREAM: self._try_stream, AUDIT: self._try_audit})
        self.code_footer = CodeFooter()
        self._sides = {
            KERNELS: widgets.VBox([self.form, self.launching]),
            STREAM: self.stream.settings,
            AUDIT: self.audit.settings,
        }
        side = controls.box(self.in_sight, self.what, *self._sides.values(), classes="fw-side")
        self._seen = controls.box(self.head, self.board, self.routes, self.messages, self.letters, classes="fw-live")
        alarms = (self.launching.failure, self.failure)
        main = controls.box(
            *(Keys(), *alarms, self.empty, self.stream, self._seen, self.audit), classes="fw-main fw-ring"
        )
        super().__init__([controls.box(side, main, classes="fw-split"), self.code_footer])
        self.what.observe(guarded(self._choose_what, self.failure), "value")
        self.board.observe(guarded(self._choose_kernel, self.failure), "chosen")
        self.form.observe(guarded(lambda _: self._update(composing=True), self.failure), "written")
        self.messages.observe(guarded(lambda _: self._update(composing=False), self.failure), "written")
        for changed, name in ((self.stream, "written"), (self.audit.rounds, "value")):
            changed.observe(guarded(lambda _: self._update(), self.failure), name)
        self._choose_what()

    @property
    def runtime(self) -> Runtime:
        """The runtime whose kernels are shown; after it was shut down the next launch begins a new one."""
        return self._kernels.runtime

    def show_runtime(self, runtime: Runtime) -> None:
        """Show the kernels of another runtime; one that the panel made before is shut down."""
        self._kernels.show(runtime)
        self.refresh()

    @property
    def code(self) -> str:
        """The code that does the same."""
        what = self.what.value
        if what == AUDIT:
            return self.audit.code
        if what == STREAM:
            return f"runtime = wb.Runtime()\n{self.stream.code}"
        messages = [] if self._composing else self.messages.code()
        lines = [*self._kernels.code(), *(messages or [self.form.launch.code])]
        return "\n".join(sorted(lines, key=lambda line: not line.startswith("import ")))

    def step(self, name: str, verb: str) -> None:
        """Let a kernel take a step, as its button does, and return at once.

        While one is under way another one of the same kernel does nothing.

        Parameters
        ----------
        name
            Of the kernel.
        verb
            ``"activate"``, ``"deactivate"`` or ``"terminate"``; ``"forget"`` takes one that has ended off the board.
        """
        if name in self._stepping:
            return
        self._stepping.add(name)
        self.failure.value = ""
        asyncio.run_coroutine_threadsafe(self._step(name, verb), loop())

    async def stepped(self) -> None:
        """Wait for the steps that are under way, without blocking the event loop."""
        while self._stepping:
            await asyncio.sleep(0.01)

    def refresh(self) -> None:
        """Look at the runtime now, and show what changed."""
        with self._refreshing:
            looks = self._kernels.look()
            kernels = self.what.value != AUDIT
            controls.show(self.empty, self.what.value == KERNELS and not looks)
            controls.show(self._seen, kernels and bool(looks))
            if looks:
                self._show(looks)
            else:
                self.board.show(())
                self.messages.show(None, ())
            self.form.suggest()
            self._update()

    def close(self) -> None:
        """Stop looking, cancel what is under way, and shut down a runtime that the panel made."""
        for job in (self.launching, self.messages.job, self.stream.job, self.audit.job):
            job.cancel()
        self.in_sight.close()
        self._kernels.close()
        super().close()

    def _look(self) -> None:
        """Look as often as the panel is seen, but not while times are taken."""
        if self.audit.job.state != "working":
            guarded(self.refresh, self.failure)()

    def _show(self, looks: list[tuple[KernelStatus, KernelMetrics]]) -> None:
        runtime = self._kernels.runtime
        letters = runtime.dead_letters
        self.head.value = _answer(looks, runtime, small=self.what.value == STREAM)
        self.board.show(looks)
        drawn = routes_svg(looks)
        self.routes.value = f"{html.heading('Routes')}{drawn}" if drawn else ""
        controls.show(self.routes, bool(drawn))
        dead = runtime.status.dead_letters
        self.letters.value = html.folded(f"Dead letters: {dead:,}", card.letters_body(letters)) if dead else ""
        controls.show(self.letters, bool(dead))
        self._choose_kernel()

    def _choose_kernel(self, *_: Any) -> None:
        handle = self._kernels[self.board.chosen] if self.board.chosen else None
        shown = handle if self.what.value == KERNELS else None
        self.messages.show(shown, tuple(self._kernels.names))
        if shown is None:
            self._update(composing=True)

    def _choose_what(self, *_: Any) -> None:
        what = self.what.value
        for name, side in self._sides.items():
            controls.show(side, name == what)
        controls.show(self.stream, what == STREAM)
        controls.show(self.audit, what == AUDIT)
        self.refresh()

    def _update(self, *, composing: bool | None = None) -> None:
        """Show the code; of what was touched last, the form of Launch or the message."""
        if composing is not None:
            self._composing = composing
        try:
            self.code_footer.code = self.code
        except InputError:
            self.code_footer.code = ""  # what is still being written has no code

    async def _step(self, name: str, verb: str) -> None:
        try:
            await self._kernels.step(name, verb)
        except Exception as error:
            self.failure.value = error_html(error)
        finally:
            self._stepping.discard(name)
            guarded(self.refresh, self.failure)()

    async def _launch(self, report: Report) -> KernelHandle:
        return await self._kernels.launch(self.form.launch, report)

    def _launched(self, handle: KernelHandle) -> None:
        self.failure.value, self.form.name.value = "", ""
        self.refresh()
        self.board.chosen = handle.name
        self._update(composing=False)

    async def _open(self, launches: Any, report: Report) -> list[KernelHandle]:
        handles = await self._kernels.open(launches, report)
        self.refresh()
        return handles

    def _route(self, name: str, to: str | None) -> None:
        self._kernels.runtime.route(name, to)
        self.refresh()

    def _try_kernel(self) -> None:
        self.launching.start()

    def _try_stream(self) -> None:
        self.what.value = STREAM
        self.stream.job.start()

    def _try_audit(self) -> None:
        self.what.value = AUDIT
        self.audit.job.start()


def _answer(looks: list[tuple[KernelStatus, KernelMetrics]], runtime: Runtime, *, small: bool) -> str:
    """Say how many kernels there are, how they are, and what their messages came to."""
    alive = [status for status, _ in looks if status.state is not State.TERMINATED]
    active = sum(status.state is State.ACTIVE for status in alive)
    messages = sum(metrics.messages for _, metrics in looks)
    how = alive[0].state if len(alive) == 1 else f"{'all' if active == len(alive) > 0 else active or 'none'} active"
    first = f"{counted(len(alive), 'kernel')}, {how}." if alive else "No kernel is left."
    if runtime.closed:
        first = "The runtime was shut down."
    doubts = ["Launch begins a new one."] if runtime.closed else []
    if small:
        return html.heading(first)
    where = _NAMES.get(runtime.backend, runtime.backend)
    return html.answer(first, doubts, [f"{counted(messages, 'message')} \N{MIDDLE DOT} on the {where}"])


def _empty(tried: dict[str, Callable[[], None]]) -> widgets.VBox:
    tiles = []
    for what, (label, words) in _TILES.items():
        button = controls.button(label)
        button.on_click(lambda _, what=what: tried[what]())
        tiles.append(
            controls.box(button, widgets.HTML(f'<p class="fw-muted">{html.escape(words)}</p>'), classes="fw-tile")
        )
    return widgets.VBox([widgets.HTML(_EMPTY), controls.box(*tiles, classes="fw-grid")])


_NAMES = {"cpu": "CPU", "cuda": "GPU"}
_TILES = {
    KERNELS: ("Launch a softmax", "and call it; then deactivate it and see messages wait"),
    STREAM: ("Which text is like which?", "a classifier, an embedder and a kernel, with small models at hand"),
    AUDIT: ("What does a message cost?", "a call against a thread pool, asyncio.to_thread and nothing"),
}
_EMPTY = (
    '<div class="fw-empty"><b>A worker that lives on between messages</b>'
    "A kernel runs an operation, a pipeline or a function of yours, keeps its state, and has bounded queues both ways. "
    "Choose one and press Launch; those that a cell launches in app.ring_panel.runtime are here as well. Or try:</div>"
)
