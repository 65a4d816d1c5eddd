"""Calls like one that was before: no check and no plan, only addresses, new results and launches.

A call is known again by what its checks and its plan depend on: the function, its options, and of each array all but
the address, of which the alignment counts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple

import numpy as np

from .arrays import Library
from .launch import Plan, packer
from .views import View

_NUMBERS = (float, int, np.number, np.bool_)
_REMEMBERED = 4096
_ALIGNMENT = 16
_known: dict[Hashable, Ready] = {}


class Description(NamedTuple):
    """A call, in short.

    Parameters
    ----------
    key
        By which it is known again.
    values
        The addresses of arrays, 0 for None, numbers as floats; then the addresses of what receives results.
    """

    key: Hashable
    values: list[float]


class Ready(NamedTuple):
    """What a call comes to whose arguments are right and need no copy.

    Parameters
    ----------
    shapes, dtype, device
        Of the results, and where they lie.
    direct
        Whether kernels write to what is given as ``out``; if not it is assigned to.
    scratch, fill
        As in a `Plan`.
    launches
        What packs the struct of each, and what starts it.
    apart
        Of what the kernels must not find in one place: places of two values, and how far from their addresses their
        elements lie.
    compute
        What computes instead of launches: a module's own function.
    """

    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    device: int
    direct: bool
    scratch: int
    fill: float | None
    launches: tuple[tuple[Callable[[Sequence[float]], bytes], Callable[[bytes, int], None]], ...]
    apart: tuple[tuple[int, int, int, int, int, int], ...] = ()
    compute: Callable[..., tuple[Any, ...]] | None = None

    def fits(self, values: Sequence[float]) -> bool:
        """Whether what must not lie in one place does not."""
        for one, first, last, other, begin, end in self.apart:
            if values[one] + first < values[other] + end and values[other] + begin < values[one] + last:
                return False
        return True

    def run(
        self, library: Library, values: list[float], outs: tuple[Any, ...], arguments: tuple[Any, ...] = ()
    ) -> tuple[Any, ...]:
        """Compute, and return the results: ``outs`` if there are any.

        Parameters
        ----------
        library
            Whose arrays they are.
        values
            As in a `Description`; used up.
        outs
            What receives the results, if anything.
        arguments
            Of ``compute``, behind the library.
        """
        if self.compute is not None:
            results = self.compute(library, *arguments)
        else:
            results = outs
            if not self.direct:
                del values[len(values) - len(outs) :]
                results = tuple([library.empty(shape, self.dtype, self.device) for shape in self.shapes])
                values += map(library.quick().address, results)
            if self.fill is not None:
                for result in results:
                    library.fill(result, self.fill)
            if self.launches:
                self._start(library, values)
        if outs and not self.direct:
            for out, result in zip(outs, results, strict=True):
                library.assign(out, result)
        return outs or results

    def _start(self, library: Library, values: list[float]) -> None:
        # It may be anyone's as soon as the launches are queued: who comes next on this stream waits for them.
        work = library.empty((self.scratch,), "uint8", self.device) if self.scratch else None
        values += (0 if work is None else library.quick().address(work), 0)
        stream = library.stream(self.device)
        for pack, start in self.launches:
            start(pack(values), stream)


def described(
    function: Hashable,
    library: Library,
    values: Iterable[Any],
    options: Iterable[Hashable] = (),
    outs: tuple[Any, ...] = (),
) -> Description | None:
    """Describe a call; None for one that has to be looked at closer."""
    kind, address, facts = library.quick()
    key: list[Any] = [function, library]
    found: list[float] = []
    try:
        for value in values:
            if type(value) is kind:
                at = address(value)
                key += (facts(value), at % _ALIGNMENT)
                found.append(at)
            elif value is None:
                key.append(NoneType)
                found.append(0)
            elif isinstance(value, _NUMBERS):
                key.append(type(value) if isinstance(value, np.generic) else float)
                found.append(float(value))
            else:
                return None
        for option in options:
            key += (type(option), option)  # 1, 1.0 and True are equal, and not all of them an axis
        for out in outs:
            if type(out) is not kind:
                return None
            at = address(out)
            key += (facts(out), at % _ALIGNMENT, *[at == other for other in found])
            found.append(at)
        whole = tuple(key)
        hash(whole)
    except (RuntimeError, TypeError, OverflowError):  # no tensor of strides, no option, no number: it will be refused
        return None
    return Description(whole, found)


def known(call: Description) -> Ready | None:
    """Return what a call comes to, if one like it was before."""
    found = _known.get(call.key)
    return found if found is not None and found.fits(call.values) else None


def remember(call: Description | None, ready: Ready) -> None:
    """Know calls like this one from now on."""
    if call is not None:
        if len(_known) >= _REMEMBERED:
            _known.clear()
        _known[call.key] = ready


def made_ready(
    library: Library,
    plan: Plan,
    views: Mapping[str, View | None],
    shapes: tuple[tuple[int, ...], ...],
    dtype: str,
    *,
    device: int,
    outs: tuple[View, ...],
    direct: bool,
) -> Ready:
    """Return what a call with a plan comes to.

    Parameters
    ----------
    views
        The arguments by name, in the order of `described`; None for numbers and what was not given.
    shapes, dtype, device
        Of the results.
    outs
        What receives them, if anything was given.
    direct
        Whether kernels write to it.
    """
    names = (*views, *RESULTS[: len(shapes)], "work")
    launches = tuple((packer(each.arguments, names), library.starter(each, device)) for each in plan.launches)
    apart = []
    if direct:
        every = [*views.values(), *outs]
        for place in range(len(views), len(every)):
            for other in range(place):
                one, its = every[other], every[place]
                if one is not None and its is not None and one.address != its.address:
                    apart.append((other, *_around(one), place, *_around(its)))
    return Ready(shapes, dtype, device, direct, plan.scratch, plan.fill, launches, tuple(apart))


RESULTS = ("out", "second")
"""By which names launches know the results."""


def _around(view: View) -> tuple[int, int]:
    first, last = view.span()
    return first - view.address, last - view.address
