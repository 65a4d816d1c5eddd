"""What a cache of models holds, and its pruning: first what would go, then the same for good."""

from __future__ import annotations

import asyncio

import ipywidgets as widgets

from workbench.models.cache import CacheConfig, ModelCache
from workbench.models.cache.contents import Pruned
from workbench.views import controls, html
from workbench.views.jobs import Job, Report

from . import cache_card

ASK, REMOVE = "Show what would go", "Remove these"


class CachePanel(widgets.VBox):  # type: ignore[misc]
    """The models in a folder with a budget.

    Attributes
    ----------
    contents
        The table, or what would go, or what went.
    job
        Shows what would go; started again it removes that.
    """

    def __init__(self) -> None:
        self._config: CacheConfig | None = None
        self._asked = False
        self.contents = widgets.HTML()
        self.job = Job(self._run, self._show, label=ASK)
        controls.show(self.job.cancel_button, False)  # what is being removed cannot be called back
        self.job.run_button.remove_class("fw-primary")
        heading = widgets.HTML(html.heading("Cache"))
        super().__init__([heading, self.contents, self.job.failure, self.job], _dom_classes=("fw-section",))
        controls.show(self, False)

    def show(self, config: CacheConfig | None) -> None:
        """Show what a cache holds; nothing for None."""
        self._config = config
        controls.show(self, config is not None)
        self._offer(asked=False)
        self.job.say("")
        if config is not None:
            self.contents.value = cache_card.contents_card(ModelCache(config).contents())

    async def _run(self, report: Report) -> Pruned:
        assert self._config is not None
        report("looking" if not self._asked else "removing", None)
        return await asyncio.to_thread(ModelCache(self._config).prune, dry_run=not self._asked)

    def _show(self, pruned: Pruned) -> None:
        assert self._config is not None
        self._offer(asked=pruned.dry_run and bool(pruned.models))
        left = "" if pruned.dry_run else cache_card.contents_card(ModelCache(self._config).contents())
        done = controls.call(f"{controls.call('wb.ModelCache', self._config)}.prune", dry_run=pruned.dry_run or None)
        self.contents.value = f"{cache_card.pruned_card(pruned)}{left}<p><code>{html.escape(done)}</code></p>"

    def _offer(self, *, asked: bool) -> None:
        self._asked = asked
        self.job.run_button.description = REMOVE if asked else ASK
