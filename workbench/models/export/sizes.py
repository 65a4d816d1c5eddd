"""The sizes in which an export is traced, and those in which it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.arrays import TensorSpec
from workbench.errors import InputError
from workbench.text import format_sizes

from .examples import Feeds, Limits, generated, resized

if TYPE_CHECKING:
    from workbench.models.model import ModelInfo


class Taker(Protocol):
    """What takes inputs: a model, or what knows one."""

    info: ModelInfo

    @property
    def limits(self) -> Limits:
        """What inputs must keep to that are made up."""

    def feeds(self, inputs: Any) -> Feeds:
        """Return given inputs as arrays, checked."""


Axes = Mapping[str, Mapping[int, str]]
_BATCH, _SIZES = (
    (2, 1, 3, 1),
    {
        # All sizes of the trace differ from one another and from 1, with which torch would take one for the other.
        "sequence": (7, 5, 16, 1),
        "decoder_sequence": (5, 3, 9, 1),
        "height": (64, 96, 64, 80),
        "width": (96, 64, 64, 112),
    },
)
_OTHERS = (6, 4, 11, 8)


@dataclass(frozen=True, eq=False)
class Trial:
    """Inputs of one size.

    Parameters
    ----------
    text
        The size in words: ``"batch 2, sequence 7"``.
    feeds
        Arrays by name.
    axes
        Names of the free axes of each.
    """

    text: str
    feeds: Feeds
    axes: Axes


def trials(model: Taker, inputs: Any, dynamic: Axes | None) -> list[Trial]:
    """Return inputs to trace with, then those to check with.

    Given inputs are cut off or repeated to these sizes; others are made up.

    Raises
    ------
    workbench.errors.InputError
        If none are given and the model does not say what it takes.
    """
    specs = model.info.inputs
    if inputs is None and not specs:
        raise InputError(
            f"{model.info.name} does not say what it takes, so no inputs can be made up. Give some to trace it with: "
            "to_onnx(path, inputs={'name': array, ...})."
        )
    feeds = None if inputs is None else model.feeds(inputs)
    if dynamic is not None:
        _check_form(dynamic)
        if feeds is None:  # made up in the sizes that the model names, and cut off or repeated as if they were given
            own = [symbol for named in _axes(specs, None).values() for symbol in named.values()]
            feeds = generated(specs, {symbol: _size(model, symbol, 0, own) for symbol in own}, model.limits)
    axes = _axes(specs, feeds) if dynamic is None else dynamic
    if feeds is not None:
        _check_axes(axes, feeds)
    symbols = list(dict.fromkeys(symbol for named in axes.values() for symbol in named.values()))
    made: dict[str, Trial] = {}
    for place in range(len(_BATCH)):
        sizes = {symbol: _size(model, symbol, place, symbols) for symbol in symbols}
        text = ", ".join(f"{symbol} {size}" for symbol, size in sizes.items()) or "the given sizes"
        if text not in made:
            arrays = generated(specs, sizes, model.limits, place) if feeds is None else resized(feeds, axes, sizes)
            made[text] = Trial(text, arrays, axes)
    return list(made.values())


def given_sets(model: Taker, inputs: Any) -> list[Trial]:
    """Return given inputs as they are: one set, or a list of sets."""
    many = isinstance(inputs, list) and bool(inputs) and all(isinstance(one, Mapping) for one in inputs)
    sets, made = inputs if many else [inputs], []
    for one in sets:
        feeds = model.feeds(one)
        text = ", ".join(f"{name} {format_sizes(array.shape)}" for name, array in feeds.items())
        made.append(Trial(text, feeds, {}))
    return made


def _axes(specs: tuple[TensorSpec, ...], feeds: Feeds | None) -> Axes:
    """Return the free axes that the model names; of inputs that it does not describe, the first as the batch."""
    known = {
        spec.name: {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in specs
        if spec.shape is not None
    }
    if feeds is None:
        return known
    return {name: known.get(name, {0: "batch"} if array.ndim else {}) for name, array in feeds.items()}


def _check_form(dynamic: Any) -> None:
    if not isinstance(dynamic, Mapping) or not all(isinstance(named, Mapping) for named in dynamic.values()):
        raise InputError(
            f"dynamic={dynamic!r} does not name axes; give for each input a name for each of its free axes: "
            "{'x': {0: 'batch'}}."
        )


def _check_axes(axes: Axes, feeds: Feeds) -> None:
    for name, named in axes.items():
        if name not in feeds:
            raise InputError(f"dynamic= names the input {name!r}; the inputs are {', '.join(map(repr, feeds))}.")
        for axis, symbol in named.items():
            if not (isinstance(axis, int) and 0 <= axis < feeds[name].ndim and isinstance(symbol, str)):
                raise InputError(
                    f"dynamic= has {axis!r}: {symbol!r} for {name!r}, which is {list(np.shape(feeds[name]))}; give "
                    "the number of an axis and a name for it, such as {0: 'batch'}."
                )


def _size(model: Taker, symbol: str, place: int, symbols: list[str]) -> int:
    if symbol == "batch":
        return _BATCH[place]
    if symbol in ("sequence", "decoder_sequence"):
        return model.limits.fitted(_SIZES[symbol][place])
    if symbol in _SIZES:
        return _SIZES[symbol][place]
    return _OTHERS[place] + 2 * symbols.index(symbol)
