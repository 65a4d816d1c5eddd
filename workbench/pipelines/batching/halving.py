"""Running a function on a batch so that a bad item fails alone.

A batch that raises is halved until only the bad items are left, which for one bad item among n takes about 2 log2(n)
more runs. Where many are bad, halving would cost more than running each alone: the runs are counted, and what is left
is run one by one as soon as it must be for the sum to stay within 1.5 n + 2.
"""

from __future__ import annotations

from collections import deque
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
    runs, limit = 0, worst_case(len(items))
    groups = deque([list(range(len(items)))])
    while groups:
        group = groups.popleft()
        if runs:
            group = [place for place in group if wanted(place)]
        if not group:
            continue
        runs += 1
        try:
            results = _checked(function([items[place] for place in group]), len(group))
        except Exception as error:
            if len(group) == 1:
                settle([(group[0], None, error)])
                continue
            middle = len(group) // 2
            parts = [group[:middle], group[middle:]]
            if runs + sum(map(_cost, [*groups, *parts])) > limit:
                parts = [[place] for place in group]
            groups.extendleft(reversed(parts))
        except BaseException as error:  # an exit asked for inside the function is no item's fault
            settle([(place, None, error) for part in [group, *groups] for place in part])
            break
        else:
            settle([_outcome(place, result) for place, result in zip(group, results, strict=True)])
    return runs


def worst_case(items: int) -> int:
    """Return how often a function is called for a batch at the most."""
    return 1 if items == 1 else items + items // 2 + 2


def _cost(group: list[int]) -> int:
    """Return how many runs a group takes at the most: its own, and then one for each item."""
    return len(group) + (len(group) > 1)


def _outcome(place: int, result: Any) -> Outcome:
    return (place, None, result) if isinstance(result, BaseException) else (place, result, None)


def _checked(results: Any, count: int) -> Sequence[Any]:
    name = type(results).__name__
    if isinstance(results, str | bytes | dict | set | frozenset) or not hasattr(results, "__iter__"):
        raise RunError(
            f"The function of this batcher returned {name} for a list of {count}; it must return a list of as many "
            "results, in the same order."
        )
    listed = results if hasattr(results, "__len__") else list(results)
    if len(listed) != count:
        raise RunError(
            f"The function of this batcher returned {len(listed)} results for {count} items; it must return one for "
            "each, in the same order."
        )
    return listed
