"""``workbench bench``: race an operation, or a suite of them; keep the record, compare it with an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import InputError

from . import suites
from .baseline import Baseline, share
from .options import AsJson, Debug, sentences
from .show import print_race, say
from .terminal import progress_bar

REGRESSION = 3
"""The exit code where something got slower than allowed; 1 is an error."""


def bench(
    context: typer.Context,
    ops: Annotated[list[str] | None, typer.Argument(help="An operation of the catalogue, such as layer_norm.")] = None,
    *,
    suite: Annotated[
        str | None,
        typer.Option(
            help="kernels: all operations, or those named, at all their shapes and dtypes, half an hour. headlines: "
            "what polyglot-bridge says of itself. quick: a few cells, under a minute."
        ),
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Such as 512x768; the operation's first if none is given.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64; on a GPU also float16 and bfloat16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda: on an NVIDIA GPU, by its own time.")] = "cpu",
    contenders: Annotated[
        str | None, typer.Option(help="Such as numpy,jax; all; else the usual four, or those of the suite.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds of racing; 3, or what each cell of a suite has.", show_default=False)
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Exactly so many rounds, whatever the time.")] = None,
    out: Annotated[bool, typer.Option(help="Write into a preallocated array, those that can.")] = True,
    cache: Annotated[
        str, typer.Option(help="warm, or cold: each call finds its arrays outside the caches of the processor.")
    ] = "warm",
    interval: Annotated[
        float,
        typer.Option(
            help="End earlier when all ratios are known so well, as half the width of their 95 % intervals; 0: never."
        ),
    ] = 0.005,
    seed: Annotated[int, typer.Option(help="Of the inputs and of the order of the turns.")] = 0,
    as_json: AsJson = False,
    record: Annotated[
        bool, typer.Option("--record", help="Keep each race in this machine's history: see workbench history.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="LAST|ID|FILE",
            help="Compare with the last recorded run, the run of this number, or what --json or --save wrote; "
            f"exit with {REGRESSION} if something got slower than --allow.",
        ),
    ] = None,
    allow: Annotated[str, typer.Option(metavar="SHARE", help="What may be slower, with --against.")] = "5%",
    report: Annotated[
        Path | None, typer.Option(help="Write a page with charts and tables into this HTML file.")
    ] = None,
    in_process: Annotated[bool, typer.Option("--in-process", help="Race in this process, not in a child.")] = False,
    save: Annotated[Path | None, typer.Option(help="Keep a suite in this file after each of its cells.")] = None,
    load: Annotated[Path | None, typer.Option(help="Show a suite from such a file instead of racing.")] = None,
    markdown: Annotated[
        list[Path] | None, typer.Option(help="Write a suite into the marked places of this file; may be repeated.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Race an operation's contenders, with their results checked; or a whole suite."""
    options: dict[str, Any] = {"seed": seed}
    alone = {
        "shape": shape,
        "dtype": dtype,
        "device": device,
        "rounds": rounds,
        "out": out,
        "cache": cache,
        "interval": interval,
    }
    if contenders is not None:
        named = [name.strip() for name in contenders.split(",") if name.strip()]
        options["contenders"] = "all" if named == ["all"] else named
    if budget is not None:
        options["budget"] = budget
    with sentences(debug):
        from workbench.bench.plain import check_writable

        for path in (save, report):
            if path is not None:
                check_writable(path)  # before the races, not after them
        cancelled = False
        baseline = None if against is None else Baseline(against, share(allow), suite=suite is not None)
        if suite is not None:
            sources = {name: context.get_parameter_source(name) for name in alone}
            if given := [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]:
                raise InputError(f"A suite has its own {', '.join(given)}; leave out --{' and --'.join(given)}.")
            found, cancelled = suites.run(
                suite, ops or [], options, load=load, save=save, markdown=markdown or [], as_json=as_json
            )
            races = [cell.race for cell in found.cells if cell.race is not None]
        else:
            if save or load or markdown:
                raise InputError("--save, --load and --markdown are for a suite: workbench bench --suite kernels.")
            if not ops or len(ops) > 1:
                raise InputError(
                    f"One operation races; got {', '.join(ops or ['none'])}. Several: workbench bench --suite kernels "
                    f"{' '.join(ops or [])}".rstrip()
                )
            races = [_race(ops[0], options | alone, in_process=in_process)]
            print_race(races[0], as_json=as_json)
        # Compared before it is recorded, since the last run would be this one; recorded whatever that finds.
        worse = False
        try:
            worse = baseline is not None and not cancelled and baseline.compare(races, recording=record, quiet=as_json)
        finally:
            if record and load is None and races:
                numbers = [race.save() for race in races]
                kept = f"run {numbers[0]}" if len(numbers) == 1 else f"runs {min(numbers)} to {max(numbers)}"
                say(f"Recorded as {kept}: workbench history.", quiet=as_json)
        if report is not None:
            from workbench.views.races.report import write_report

            write_report(report, races[0] if suite is None else found)
        if cancelled:
            raise KeyboardInterrupt
    if worse:
        raise typer.Exit(REGRESSION)


def _race(op: str, options: dict[str, Any], *, in_process: bool) -> Any:
    from workbench.bench.compare import compare
    from workbench.bench.process import race_in_child

    with progress_bar() as progress:
        return (compare if in_process else race_in_child)(op, progress=progress, **options)
