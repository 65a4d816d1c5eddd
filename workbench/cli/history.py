"""``workbench history``: the races of this machine that were recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from workbench.errors import InputError

from .options import AsJson, Debug, sentences
from .show import print_race
from .terminal import console

history = typer.Typer(
    help="Show, export and delete the races that workbench bench --record and race.save() have kept.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Op = Annotated[str | None, typer.Argument(help="Only those of this operation.")]
Shape = Annotated[str | None, typer.Option(help="Only those of this shape, such as 512x768.")]
Dtype = Annotated[str | None, typer.Option(help="Only those of this dtype.")]
Contender = Annotated[str | None, typer.Option(help="Only those in which it ran.")]
Last = Annotated[int | None, typer.Option(help="Only the last so many.")]
AllMachines = Annotated[bool, typer.Option("--all-machines", help="Also those of other machines.")]


@history.callback()
def _default(context: typer.Context, debug: Debug = False) -> None:
    if context.invoked_subcommand is None:
        show_list(debug=debug)


@history.command("list")
def show_list(
    op: Op = None,
    *,
    shape: Shape = None,
    dtype: Dtype = None,
    contender: Contender = None,
    last: Last = None,
    all_machines: AllMachines = False,
    debug: Debug = False,
) -> None:
    """List the runs, the newest at the end."""
    with sentences(debug):
        found = _found(op, shape=shape, dtype=dtype, contender=contender, last=last, all_machines=all_machines)
        console().print(Text(repr(found)), soft_wrap=True)


@history.command()
def show(
    run: Annotated[int, typer.Argument(help="The number of a run.")],
    as_json: AsJson = False,
    report: Annotated[Path | None, typer.Option(help="Write it into this HTML file as well.")] = None,
    debug: Debug = False,
) -> None:
    """Show one race in full."""
    from workbench.bench.past.history import history as kept

    with sentences(debug):
        race = kept(machine="all")[run]
        print_race(race, as_json=as_json)
        if report is not None:
            from workbench.views.races.report import write_report

            write_report(report, race)


@history.command()
def delete(
    runs: Annotated[list[int], typer.Argument(help="The numbers of the runs.")],
    debug: Debug = False,
) -> None:
    """Delete runs for good."""
    from workbench.bench.past.history import history as kept

    with sentences(debug):
        kept(machine="all").delete(*runs)
        console().print(f"Deleted {', '.join(map(str, runs))}.")


@history.command()
def export(
    file: Annotated[
        Path, typer.Argument(help="Ends in .csv or .parquet: the table; .json: the races in full; .html: a page.")
    ],
    op: Op = None,
    *,
    shape: Shape = None,
    dtype: Dtype = None,
    contender: Contender = None,
    last: Last = None,
    all_machines: AllMachines = False,
    debug: Debug = False,
) -> None:
    """Write the runs into a file."""
    from workbench.bench.plain import to_text, write

    def as_json(found: Any) -> None:
        write(file, to_text({"races": [found[run.id].to_dict() for run in found]}))

    def as_page(found: Any) -> None:
        from workbench.views.races.report import write_report

        write_report(file, found)

    writers = {
        ".csv": lambda found: found.to_csv(file),
        ".parquet": lambda found: found.to_parquet(file),
        ".json": as_json,
        ".html": as_page,
    }
    with sentences(debug):
        if file.suffix not in writers:
            raise InputError(f"The file ends in one of {', '.join(writers)}; got {file.name}.")
        found = _found(op, shape=shape, dtype=dtype, contender=contender, last=last, all_machines=all_machines)
        writers[file.suffix](found)
        console().print(f"Wrote {len(found)} run{'s' * (len(found) != 1)} into {file}.", soft_wrap=True)


@history.command("import")
def take_in(
    files: Annotated[list[Path], typer.Argument(help="What --json, --save, race.to_json or export .json wrote.")],
    debug: Debug = False,
) -> None:
    """Take races into the history."""
    from workbench.bench.plain import races_of

    with sentences(debug):
        for races in [races_of(file) for file in files]:
            for race in races:
                console().print(f"{race.op}: run {race.save()}")


def _found(
    op: str | None, *, shape: str | None, dtype: str | None, contender: str | None, last: int | None, all_machines: bool
) -> Any:
    from workbench.bench.past.history import history as kept

    machine = "all" if all_machines else None
    return kept(op, shape=shape, dtype=dtype, contender=contender, last=last, machine=machine)
