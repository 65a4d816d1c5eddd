"""Checking what a model is given against what it takes, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from workbench.arrays import DTYPE_BITS, TensorSpec, dtype_name, numpy_dtype
from workbench.errors import InputError
from workbench.text import did_you_mean, format_shape


class InputRules:
    """The inputs of a model, ready to check arrays against at a cost of about a microsecond each.

    Parameters
    ----------
    specs
        The inputs, those that may be left out marked ``optional``.
    symbols
        Whether one symbolic name stands for one size in all inputs.
    """

    def __init__(self, specs: Iterable[TensorSpec], symbols: bool = False) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._required = [spec.name for spec in self._specs.values() if not spec.optional]
        self._rules = {name: _rule(spec) for name, spec in self._specs.items()}
        self._symbols = symbols

    def check(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs as arrays of the right dtype and shape.

        Lists and numbers become arrays; an array's dtype is never changed.

        Raises
        ------
        workbench.errors.InputError
            At the first input that is unknown, missing or does not fit.
        """
        if not isinstance(inputs, Mapping):
            raise InputError(
                f"The inputs are a {type(inputs).__name__}; give a dict of arrays by name. The model takes "
                f"{self._takes()}."
            )
        feeds = {}
        for name, value in inputs.items():
            rule = self._rules.get(name, _UNKNOWN)
            if rule is _UNKNOWN:
                self._refuse_name(name)
            if rule is None:
                feeds[name] = value
                continue
            dtype, rank, fixed = rule
            if (
                type(value) is np.ndarray
                and value.dtype == dtype
                and (rank is None or value.ndim == rank)
                and all(value.shape[axis] == size for axis, size in fixed)
            ):
                feeds[name] = value
            else:
                feeds[name] = _fit(self._specs[name], value)
        for name in self._required:
            if name not in feeds:
                missing = [other for other in self._required if other not in feeds]
                raise InputError(
                    f"The input{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))} "
                    f"{'are' if len(missing) > 1 else 'is'} missing. The model takes {self._takes()}."
                )
        if self._symbols:
            self._agree(feeds)
        return feeds

    def _agree(self, feeds: Mapping[str, Any]) -> None:
        sizes: dict[str, tuple[int, str]] = {}
        for name, value in feeds.items():
            for symbol, size in zip(self._specs[name].shape or (), np.shape(value), strict=False):
                if isinstance(symbol, str) and sizes.setdefault(symbol, (size, name))[0] != size:
                    raise InputError(
                        f"{symbol!r} is {sizes[symbol][0]} in {sizes[symbol][1]!r} and {size} in {name!r}; it must "
                        "be the same in both."
                    )

    def _refuse_name(self, name: Any) -> NoReturn:
        hint = did_you_mean(name, self._specs)
        raise InputError(f"The model has no input {name!r}.{hint} It takes {self._takes()}.")

    def _takes(self) -> str:
        # Those that must be given, and a few of the others: an old ONNX file lists each weight as an optional input.
        specs = sorted(self._specs.values(), key=lambda spec: spec.optional)
        needed = sum(not spec.optional for spec in specs)
        shown = specs[: max(needed, 6)]
        more = f"; and {len(specs) - len(shown)} more optional ones" if len(specs) > len(shown) else ""
        return ("; ".join(map(str, shown)) or "no inputs") + more


def check_outputs(asked: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the asked names, if the model has outputs of these names."""
    asked, known = [asked] if isinstance(asked, str) else list(asked), list(known)
    for name in asked:
        if name not in known:
            raise InputError(f"The model has no output {name!r}; it has {', '.join(map(repr, known))}.")
    return asked


_UNKNOWN: Any = object()
_Rule = tuple[np.dtype[Any], int | None, tuple[tuple[int, int], ...]]


def _rule(spec: TensorSpec) -> _Rule | None:
    """Return dtype, rank and fixed sizes by axis; None for what is no tensor, which the runtime checks."""
    if spec.dtype not in DTYPE_BITS and spec.dtype != "string":
        return None
    fixed = tuple((axis, size) for axis, size in enumerate(spec.shape or ()) if isinstance(size, int))
    return numpy_dtype(spec.dtype), None if spec.shape is None else len(spec.shape), fixed


def _fit(spec: TensorSpec, value: Any) -> np.ndarray[Any, Any]:
    """Return the value as an array that fits, or say why it does not."""
    if np.ma.is_masked(value):
        raise InputError(f"Input {spec.name!r} is a masked array, whose mask would be lost. Pass the filled one.")
    if isinstance(value, (list, tuple, bool, int, float, complex, str)):
        array = _from_python(spec, value)
    else:
        try:
            array = np.asarray(value)
        except Exception as error:
            raise InputError(
                f"Input {spec.name!r} is a {type(value).__name__} that NumPy cannot take ({error}). The model takes "
                f"{spec}."
            ) from error
    if array.dtype.kind == "O" and not all(isinstance(item, str) for item in array.reshape(-1)):
        raise InputError(
            f"Input {spec.name!r} is a {type(value).__name__}, which makes no array. The model takes {spec}."
        )
    got = f"Input {spec.name!r} is {dtype_name(array.dtype)} {format_shape(array.shape)}; the model takes {spec}."
    if dtype_name(array.dtype) != spec.dtype:
        raise InputError(f"{got} {_cast_hint(spec, array)}")
    if not array.dtype.isnative and array.dtype.kind != "O":
        array = array.astype(array.dtype.newbyteorder("="))
    if spec.shape is None:
        return array
    if array.ndim != len(spec.shape):
        raise InputError(
            f"{got} It has {array.ndim} axes instead of {len(spec.shape)}: reshape it, or add axes of size 1."
        )
    for axis, (have, want) in enumerate(zip(array.shape, spec.shape, strict=True)):
        if isinstance(want, int) and have != want:
            raise InputError(f"{got} Axis {axis} has the size {have} and must have {want}.")
    return array


def _from_python(spec: TensorSpec, value: Any) -> np.ndarray[Any, Any]:
    """Make an array of numbers that have no dtype of their own, in the model's, where that loses nothing but digits."""
    try:
        array = np.asarray(value, dtype=object if spec.dtype == "string" else None)
    except ValueError as error:
        raise InputError(
            f"Input {spec.name!r} is a list with rows of different lengths. The model takes {spec}."
        ) from error
    kinds = "bif".find(array.dtype.kind), "bif".find(numpy_dtype(spec.dtype).kind)
    fits = array.dtype.kind == numpy_dtype(spec.dtype).kind or 0 <= kinds[0] <= kinds[1]
    if not array.size or (fits and _values_fit(array, spec.dtype)):
        return array.astype(numpy_dtype(spec.dtype))
    return array


def _cast_hint(spec: TensorSpec, array: np.ndarray[Any, Any]) -> str:
    got = dtype_name(array.dtype)
    if spec.dtype == "string" or got not in DTYPE_BITS:
        return "Give values of that dtype."
    if not _values_fit(array, spec.dtype):
        return f"Its values would not survive a cast to {spec.dtype}: check that it is the right array."
    if spec.dtype in ("bfloat16",) or spec.dtype.startswith("float8"):
        return f"Pass {spec.name}.astype(ml_dtypes.{spec.dtype})."
    return f"Pass {spec.name}.astype({spec.dtype!r})."


def _values_fit(array: np.ndarray[Any, Any], dtype: str) -> bool:
    """Return whether a cast keeps the values but for digits of a fraction."""
    integer = dtype == "bool" or dtype.startswith(("int", "uint"))
    if not array.size or dtype == dtype_name(array.dtype):
        return True
    if array.dtype.kind == "c":
        return dtype.startswith("complex")
    if not integer:
        return bool(array.dtype.kind != "O")
    if array.dtype.kind not in "biu":
        return False
    low, high = (0, 1) if dtype == "bool" else _limits(dtype)
    return low <= int(array.min()) and int(array.max()) <= high


def _limits(dtype: str) -> tuple[int, int]:
    bits = DTYPE_BITS[dtype]
    return (0, (1 << bits) - 1) if dtype.startswith("u") else (-(1 << bits - 1), (1 << bits - 1) - 1)
