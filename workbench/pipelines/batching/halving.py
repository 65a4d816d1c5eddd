"""Running a function on a batch so that a bad item fails alone.

What raised is halved: if the first half raises too it holds a bad item, else the second half does, which need not be
tried. So a bad item among n is found in log2(n) runs; then the rest runs together again. (This is binary splitting,
from group testing: Hwang, Journal of the American Statistical Association 67, 1972.) Where many are bad, that would
cost more than running each alone: the runs are counted, and what is left is run one by one as soon as it must be for
the sum to stay within 1.5 n + 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench.errors import RunError

Outcome = tuple[int, Any, BaseException | None]
"""The place of an item, and its result, or else the exception that it raised."""


def run_apart(
    function: Callable[[list[Any]], Sequence[Any]],
    items: Sequence[Any],
    settle: Callable[[list[Outcome]], None],
    wanted: Callable[[int], bool],
) -> int:
    """Run a function on items, together if it can, and return how often it was called.

    Parameters
    ----------
    function
        Takes a list and returns as many results, in order; one that is an exception counts as raised by that item.
    items
        At least one.
    settle
        Told the outcomes of each run that has ended, while the others go on.
    wanted
        Asked before an item is run again, by its place.
    """
    left, runs, limit = list(range(len(items))), 0, worst_case(len(items))
    suspects = 0  # so many at the head of those left hold a bad one, as far as is known
    while left:
        if runs:
            suspects = sum(map(wanted, left[:suspects]))
            left = [place for place in left if wanted(place)]
        spent = runs + 1 + len(left) > limit  # and another run that raises would be one too many
        size = 1 if spent or suspects == 1 else suspects // 2 or len(left)
        group = left[:size]
        size = len(group)
        if not size:
            break
        runs += 1
        try:
            results = _checked(function([items[place] for place in group]), size)
        except Exception as error:
            suspects = size
            if size > 1:
                continue
            settle([(group[0], None, error)])
        except BaseException as error:  # an exit asked for inside the function is no item's fault
            settle([(place, None, error) for place in left])
            break
        else:
            settle([_outcome(place, result) for place, result in zip(group, results, strict=True)])
        left, suspects = left[size:], max(suspects - size, 0)
    return runs


def worst_case(items: int) -> int:
    """Return how often a function is called for a batch at the most."""
    return 1 if items == 1 else items + items // 2 + 2


def _outcome(place: int, result: Any) -> Outcome:
    return (place, None, result) if isinstance(result, BaseException) else (place, result, None)


def _checked(results: Any, count: int) -> list[Any]:
    name = type(results).__name__
    if isinstance(results, str | bytes | dict | set | frozenset) or not hasattr(results, "__iter__"):
        raise RunError(
            f"The function of this batcher returned {name} for a list of {count}; it must return a list of as many "
            "results, in the same order."
        )
    listed = list(results)
    if len(listed) != count:
        raise RunError(
            f"The function of this batcher returned {len(listed)} results for {count} items; it must return one for "
            "each, in the same order."
        )
    return listed
