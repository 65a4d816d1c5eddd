"""A folder for models and its budget, as two fields."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.errors import InputError
from workbench.models.cache.config import CacheConfig
from workbench.views import controls


class CacheFields(widgets.VBox):  # type: ignore[misc]
    """Where fetched models are kept, and how much room they may take.

    Attributes
    ----------
    folder, budget
        The fields; both empty for the hub library's own folder, which has no limit.
    value
        What is written in them; to be observed.
    """

    value = traitlets.Tuple(("", ""))

    def __init__(self) -> None:
        self.folder = controls.text("cache", placeholder="a folder for fetched models", continuous_update=False)
        self.budget = controls.text("max_size_gb", placeholder="no limit", continuous_update=False)
        self.folder.tooltip = "the least recently used models go first where this is too small for a new one"
        for field in (self.folder, self.budget):
            field.observe(self._changed, "value")
        super().__init__([self.folder, self.budget], _dom_classes=("fw-contents",))

    @property
    def config(self) -> CacheConfig | None:
        """The folder and the budget; None if no folder is named.

        Raises
        ------
        workbench.errors.InputError
            If the budget is no number of gigabytes above 0, or there is one without a folder.
        """
        folder, budget = self.value
        if not folder:
            if budget:
                raise InputError(f"max_size_gb is {budget!r} and no folder is named that this is the budget of.")
            return None
        try:
            return CacheConfig(folder, float(budget) if budget else None)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"max_size_gb is {budget!r}, which is not a number of gigabytes.") from None

    def show(self, value: Any) -> None:
        """Fill the fields from an argument ``cache=``: a configuration, a cache, or None."""
        config = getattr(value, "config", value)
        known = isinstance(config, CacheConfig)
        self.folder.value = str(config.dir) if known else ""
        self.budget.value = f"{config.max_size_gb:g}" if known and config.max_size_gb is not None else ""

    def _changed(self, *_: Any) -> None:
        self.value = (self.folder.value.strip(), self.budget.value.strip())
