"""``%%race``: what ``%load_ext workbench`` brings to IPython and Jupyter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from workbench.bench.compare import compare
from workbench.bench.progress import Report
from workbench.bench.race import Race
from workbench.bench.verdict import UNCHECKED
from workbench.errors import WorkbenchError

from .magic_cell import Field, field_of
from .magic_progress import shown


def load(shell: Any) -> None:
    """Make ``%%race`` known to a shell."""
    shell.register_magics(RaceMagics)


@magics_class
class RaceMagics(Magics):
    """The magics of the workbench."""

    @magic_arguments()
    @argument(
        "inputs",
        nargs="*",
        help="Variables that the contenders are given, such as x, weight; for functions also expressions. None: those "
        "that functions have as parameters, or the arrays that the code reads.",
    )
    @argument("-n", "--names", help="What the contenders are called, such as mine,theirs.")
    @argument("-r", "--reference", help="Whose result is the truth; the first one's if none is named.")
    @argument("-b", "--budget", type=float, default=3.0, help="Seconds of racing, default 3.")
    @argument("--rounds", type=int, help="Exactly so many rounds, whatever the time.")
    @argument("--no-out", action="store_true", help="Do not write into out=, where functions have that parameter.")
    @argument("--no-check", action="store_true", help="Do not compare the results, which then may be anything.")
    @argument("-o", "--output", metavar="NAME", help="A variable that also receives the race.")
    @cell_magic
    def race(self, line: str, cell: str) -> Race | None:
        """Race the functions, blocks or lines of a cell: timed in turns, and each result checked.

        Functions of the cell race on the inputs that are named; those that begin with ``_`` are helpers::

            %%race x, weight
            def plain(x, weight):
                return np.maximum(x @ weight, 0)

            def fused(x, weight):
                return fk.linear(x, weight, activation="relu")

        Blocks under comments with their names; what stands above the first one is run once, before::

            %%race
            half = x.astype(np.float16)
            # loop
            total = 0.0
            for value in half:
                total += value
            total
            # numpy
            half.sum()

        Lines, each an expression; assignments and imports above them are run once, before::

            %%race
            x ** 3
            x * x * x

        The value of a contender is that of its last expression, and must be that of the first one, whose result in
        float64 is the truth where it takes that. The race is shown, and is then in ``_``; ``_.plot()`` draws it and
        ``_.save()`` keeps it. Interrupting the kernel cancels it.
        """
        arguments, shell = parse_argstring(self.race, line), cast(Any, self.shell)
        source = shell.transform_cell(cell)
        try:
            checked = not arguments.no_check
            field = field_of(source, " ".join(arguments.inputs), arguments.names, shell, valued=checked)
            with shown(shell) as progress:
                race = _raced(field, arguments, progress)
        except WorkbenchError as error:
            raise UsageError(f"%%race: {error}") from error
        except KeyboardInterrupt:
            raise UsageError("%%race: cancelled, and nothing is kept of it.") from None
        if arguments.output:
            shell.user_ns[arguments.output] = race
        return race


def _raced(field: Field, arguments: Any, progress: Report) -> Race:
    unchecked = arguments.no_check
    functions = {name: _silent(function) if unchecked else function for name, function in field.functions.items()}
    race = compare(
        functions,
        inputs=field.inputs,
        reference=arguments.reference,
        budget=arguments.budget,
        rounds=arguments.rounds,
        out=not (arguments.no_out or unchecked),
        progress=progress,
    )
    return replace(race, conditions={**race.conditions, "truth": UNCHECKED}) if unchecked else race


def _silent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the work and answers with a zero, so that there is nothing to compare."""

    @wraps(function)
    def work(*args: Any, **kwargs: Any) -> float:
        function(*args, **kwargs)
        return 0.0

    return work
