"""Running many input sets: stacked into one run where the sets allow it and the model is seen to keep them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec
from workbench.errors import InputError, WorkbenchError

from .inputs import InputRules, check_outputs, kind_of
from .outputs import Outputs

if TYPE_CHECKING:
    from .model import Model

    Results = dict[str, np.ndarray[Any, Any]]

MOST_ROWS = 64
"""A stacked run has at most so many rows, or those of one set: more are hardly faster, and need more memory."""


class Batches:
    """The input sets that one model is given, and what is known of it for that.

    Sets are stacked along their first axis if the model declares the same symbolic size there for all its inputs and
    outputs and nowhere else, and the sets agree in dtypes and all other sizes. That a size is symbolic does not prove
    that rows do not depend on one another: a mean over the batch, say, has symbolic sizes as well. So the first stacked
    run of a model is tried: its first and its last set must come out bit for bit the same when all the other sets are
    replaced by copies of them, and as when they run alone, to rounding. Where they do not, this model's sets run one by
    one from then on. Models with operators whose rows depend on one another only for some values never stack.

    Parameters
    ----------
    model
        Runs each set, and the stacked ones.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._rules = InputRules(model.info.inputs)
        self._apart: dict[tuple[str, ...], bool] = {}

    def run(
        self, sets: Iterable[Mapping[str, Any]], outputs: list[str] | None = None, stop: Any = None
    ) -> list[Results | WorkbenchError]:
        """Run each set and return its outputs, or the error that it alone caused, in order; see ``Model.run_batch``."""
        if isinstance(sets, (Mapping, str, bytes)) or not isinstance(sets, Iterable):
            raise InputError(
                f"run_batch was given {kind_of(sets)}; give a list with a dict of arrays by name for each run."
            )
        given = list(sets)
        if outputs is not None and self._model.info.outputs:
            outputs = check_outputs(outputs, [spec.name for spec in self._model.info.outputs])
        results: list[Results | WorkbenchError | None] = [None] * len(given)
        for group in self._groups(given, outputs):
            for place, result in zip(group.places, self._stacked(group, outputs, stop) or (), strict=False):
                results[place] = result
        for place, one in enumerate(given):
            if results[place] is None and not (stop is not None and stop.requested):
                results[place] = self._alone(one, outputs, stop)
        return [result for result in results if result is not None]

    def _alone(self, one: Any, outputs: list[str] | None, stop: Any) -> Results | WorkbenchError:
        try:
            return self._model.run_until(one, outputs, stop)
        except WorkbenchError as error:
            return error

    def _stacked(self, group: _Group, outputs: list[str] | None, stop: Any) -> list[Results] | None:
        """Run a group at once; None if it has to run one by one."""
        asked = tuple(outputs or ())
        if self._apart.get(asked) is False:
            return None
        try:
            together = self._model.run_until(group.stack(), outputs, stop)
            if self._apart.get(asked) is None:
                verdict = self._keeps_apart(group, together, outputs, stop)
                if verdict is not None:
                    self._apart[asked] = verdict
                if not verdict:
                    return None
        except (WorkbenchError, MemoryError):  # one set may be to blame, and is found when it runs alone
            return None
        if not _has_rows(together, group.rows):
            self._apart[asked] = False
            return None
        return [_part(together, rows) for rows in group.slices]

    def _keeps_apart(self, group: _Group, together: Results, outputs: list[str] | None, stop: Any) -> bool | None:
        """Tell whether sets come out the same whatever runs beside them; None if these sets cannot tell."""
        if not _has_rows(together, group.rows):
            return False
        told, stack = False, group.stack()
        for index in (0, -1):
            rows, feeds = group.slices[index], group.feeds[index]
            others = group.replaced(index)
            if not all(_same(others[name], array) for name, array in stack.items()):
                told = True
                if not _same_results(_part(self._model.run_until(others, outputs, stop), rows), _part(together, rows)):
                    return False
            if not _close_results(self._model.run_until(feeds, outputs, stop), _part(together, rows)):
                return False
        return True if told else None

    def _groups(self, given: Sequence[Any], outputs: list[str] | None) -> Iterator[_Group]:
        """Yield the sets that can be stacked, those of the same dtypes and sizes together."""
        if not self._stackable(tuple(outputs or ())):
            return
        alike: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
        for place, one in enumerate(given):
            try:
                feeds = self._rules.check(one)
            except WorkbenchError:
                continue  # it runs alone, and says why it does not
            sizes = {array.shape[0] for array in feeds.values()}
            if len(sizes) == 1 and 0 not in sizes:
                key = tuple(sorted((name, array.dtype.str, array.shape[1:]) for name, array in feeds.items()))
                alike.setdefault(key, []).append((place, feeds))
        for members in alike.values():
            chunk: list[tuple[int, dict[str, Any]]] = []
            rows = 0
            for place, feeds in members:
                size = len(next(iter(feeds.values())))
                if chunk and rows + size > MOST_ROWS:
                    yield from _group(chunk)
                    chunk, rows = [], 0
                chunk.append((place, feeds))
                rows += size
            yield from _group(chunk)

    def _stackable(self, asked: tuple[str, ...]) -> bool:
        """Return whether the declared sizes allow stacking and no operator forbids it."""
        info = self._model.info
        outputs = [spec for spec in info.outputs if not asked or spec.name in asked]
        symbols = {_first_symbol(spec) for spec in (*info.inputs, *outputs)}
        return bool(outputs and len(symbols) == 1 and None not in symbols) and not self._mixes

    @cached_property
    def _mixes(self) -> bool:
        return self._model.mixes_rows()


@dataclass(frozen=True)
class _Group:
    """Sets that can be stacked, with their places among all."""

    places: list[int]
    feeds: list[dict[str, Any]]

    @cached_property
    def slices(self) -> list[slice]:
        ends = np.cumsum([len(next(iter(feeds.values()))) for feeds in self.feeds]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @property
    def rows(self) -> int:
        return int(self.slices[-1].stop)

    def stack(self) -> dict[str, Any]:
        return {name: np.concatenate([feeds[name] for feeds in self.feeds]) for name in self.feeds[0]}

    def replaced(self, index: int) -> dict[str, Any]:
        """Return the stack with every other set's rows replaced by those of one, which stay at their place."""
        rows, feeds = self.slices[index], self.feeds[index]
        at = (np.arange(self.rows) - rows.start) % (rows.stop - rows.start)
        return {name: array[at] for name, array in feeds.items()}


def _group(chunk: list[tuple[int, dict[str, Any]]]) -> Iterator[_Group]:
    if len(chunk) > 1:
        yield _Group([place for place, _ in chunk], [feeds for _, feeds in chunk])


def _first_symbol(spec: TensorSpec) -> str | None:
    """Return the symbol of the first axis, if it is one and on no other axis."""
    if "(" in spec.dtype or not spec.shape or not isinstance(spec.shape[0], str):
        return None
    return spec.shape[0] if spec.shape[0] not in spec.shape[1:] else None


def _has_rows(results: Results, rows: int) -> bool:
    return all(isinstance(array, np.ndarray) and array.ndim and len(array) == rows for array in results.values())


def _part(results: Results, rows: slice) -> Results:
    parts = [array[rows] for array in results.values()]
    if isinstance(results, Outputs):
        return Outputs(results, parts, results.provider, results.reason)
    return dict(zip(results, parts, strict=True))


def _same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Compare bit for bit, so that NaN is like itself."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype.kind == "O" else one.tobytes() == other.tobytes()


def _same_results(one: Results, other: Results) -> bool:
    return all(_same(array, other[name]) for name, array in one.items())


def _close_results(one: Results, other: Results) -> bool:
    """Compare to rounding: a matrix product of another size may add in another order."""
    return all(_close(array, other[name]) for name, array in one.items())


def _close(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind in "fc" or one.dtype.kind == "V":
        digits = {2: 2e-2, 1: 0.3}.get(one.dtype.itemsize, 1e-3)
        wide, others = (array.astype(np.complex128 if one.dtype.kind == "c" else np.float64) for array in (one, other))
        finite = np.abs(wide[np.isfinite(wide)])
        largest = float(finite.max()) if finite.size else 0.0
        return bool(np.allclose(wide, others, rtol=digits, atol=digits * largest, equal_nan=True))
    return _same(one, other)
