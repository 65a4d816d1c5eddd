"""Models, tensors and races as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from workbench.text import format_bytes, format_seconds, format_sizes

if TYPE_CHECKING:
    from workbench.bench.race import Race
    from workbench.models.model import Model, Tensor


def model_card(model: Model) -> Table:
    """Return what a model is, a fact in each row."""
    info = model.info
    title = f"{info.name} ({info.format})"
    card = Table(box=None, show_header=False, pad_edge=False, title=title, title_justify="left", title_style="bold")
    card.add_column(style="dim")
    card.add_column(overflow="fold")
    rows = [
        *info.facts,
        ("tensors", f"{len(model.tensors):,}"),
        *(("input", str(spec)) for spec in info.inputs),
        *(("output", str(spec)) for spec in info.outputs),
        *info.metadata.items(),
    ]
    for name, value in rows:
        if value:
            card.add_row(Text(name), Text(value))
    return card


def tensor_table(tensors: list[Tensor]) -> Table:
    """Return a row for each tensor."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("tensor", overflow="fold")
    table.add_column("dtype")
    table.add_column("shape", justify="right")
    table.add_column("bytes", justify="right")
    for tensor in tensors:
        table.add_row(Text(tensor.name), tensor.dtype, format_sizes(tensor.shape), format_bytes(tensor.nbytes))
    return table


def race_table(race: Race) -> Table:
    """Return a row for each contender, the fastest first."""
    from workbench.bench.tables import baseline
    from workbench.views.theme import contender_colours

    over = baseline(race)
    colours = contender_colours([result.contender for result in race.results])
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("contender")
    for heading in ("median", "95 % interval", f"over {over}", "error", "first call"):
        table.add_column(heading, justify="right")
    for result in race.results:
        low, high = result.interval
        ratio = race.speedup(result.contender, over=over)
        table.add_row(
            Text(result.contender, style=colours[result.contender]),
            format_seconds(result.median),
            f"{format_seconds(low)} to {format_seconds(high)}",
            "" if result.contender == over else Text(str(ratio)),
            Text(f"{result.error:.1e}") if result.right else Text("wrong", style="red"),
            format_seconds(result.first_call),
        )
    return table
