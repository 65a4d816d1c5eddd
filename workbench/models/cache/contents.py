"""What a cache holds, and what a pruning took out: values to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.text import aligned, format_bytes

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "size", "revisions", "last used", "")
_SHOWN = 20


@dataclass(frozen=True)
class CachedModel:
    """One model in a cache.

    Parameters
    ----------
    name
        Its id on the hub.
    nbytes
        Of its files, those that it shares with other models included.
    revisions
        How many revisions of it are there; 0 where only the remains of an interrupted download are.
    last_used
        When it was last opened or closed, in UTC; when it was fetched if it was never opened by a cache with a budget.
    in_use
        Whether a process has it open, or fetches it.
    """

    name: str
    nbytes: int
    revisions: int
    last_used: datetime
    in_use: bool


@dataclass(frozen=True, repr=False)
class CacheContents:
    """The models in a cache, the least recently used first; a sequence of :class:`CachedModel`.

    Parameters
    ----------
    models
        In the order in which they would go.
    nbytes
        Bytes of all; files that models share count once.
    max_bytes
        The budget; None for no limit.
    """

    models: tuple[CachedModel, ...]
    nbytes: int
    max_bytes: int | None

    @property
    def heading(self) -> str:
        """The sum in one line."""
        count = len(self.models)
        budget = "no limit" if self.max_bytes is None else f"of {format_bytes(self.max_bytes)}"
        return f"{count:,} model{'' if count == 1 else 's'}, {format_bytes(self.nbytes)}, {budget}".replace(
            ", of", " of"
        )

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row of text for each model."""
        return [row(model) for model in self.models]

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[CachedModel]:
        return iter(self.models)

    def __getitem__(self, place: int) -> CachedModel:
        return self.models[place]

    def __repr__(self) -> str:
        left = len(self) - _SHOWN
        more = [f"  and {left:,} more: see .to_pandas()"] if left > 0 else []
        lines = aligned([COLUMNS, *self.rows[:_SHOWN]]) if self.models else []
        return "\n".join([self.heading, *(f"  {line}" for line in lines), *more])

    def _repr_html_(self) -> str:
        from workbench.views.models import cache_card

        return cache_card.contents_card(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per model: model, bytes, revisions, last_used (UTC) and in_use."""
        return _frame(self.models)


@dataclass(frozen=True, repr=False)
class Pruned:
    """What went out of a cache, or would.

    Parameters
    ----------
    models
        Those that went, in that order.
    freed
        Bytes that they took.
    left
        Bytes that are left.
    max_bytes
        The budget; None for no limit.
    dry_run
        Whether nothing was touched.
    """

    models: tuple[CachedModel, ...]
    freed: int
    left: int
    max_bytes: int | None
    dry_run: bool

    @property
    def heading(self) -> str:
        """The sum in one line."""
        count = len(self.models)
        verb = "would go" if self.dry_run else "went"
        over = self.max_bytes is not None and self.left > self.max_bytes
        why = f", more than {format_bytes(self.max_bytes or 0)} since they are in use" if over else ""
        return (
            f"{count:,} model{'' if count == 1 else 's'} {verb}, {format_bytes(self.freed)}; "
            f"{format_bytes(self.left)} {'would be' if self.dry_run else 'are'} left{why}"
        )

    def __repr__(self) -> str:
        lines = aligned([COLUMNS, *map(row, self.models)]) if self.models else []
        return "\n".join([self.heading, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        from workbench.views.models import cache_card

        return cache_card.pruned_card(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per model, as :meth:`CacheContents.to_pandas`."""
        return _frame(self.models)


def row(model: CachedModel) -> tuple[str, ...]:
    """Return a model as text for a table of `COLUMNS`."""
    return (
        model.name,
        format_bytes(model.nbytes),
        str(model.revisions) if model.revisions else "incomplete",
        f"{model.last_used:%Y-%m-%d %H:%M}",
        "in use" if model.in_use else "",
    )


def at(seconds: float) -> datetime:
    """Return a file's time as a date."""
    return datetime.fromtimestamp(seconds, UTC)


def _frame(models: tuple[CachedModel, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "model": [model.name for model in models],
            "bytes": [model.nbytes for model in models],
            "revisions": [model.revisions for model in models],
            "last_used": pd.to_datetime([model.last_used for model in models], utc=True),
            "in_use": [model.in_use for model in models],
        }
    )
