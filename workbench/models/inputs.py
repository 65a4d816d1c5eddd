"""Checking what a model is given against what it takes, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from workbench.arrays import DTYPE_BITS, TensorSpec, dtype_name, numpy_dtype
from workbench.errors import InputError
from workbench.text import did_you_mean, format_shape

from .torch_arrays import is_tensor, to_numpy


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
                f"The inputs are {kind_of(inputs)}; give a dict of arrays by name. The model takes {self._takes()}."
            )
        feeds = {}
        for name, value in inputs.items():
            rule = self._rules.get(name, _UNKNOWN)
            if rule is _UNKNOWN:
                self._refuse_name(name)
            if rule is None:
                feeds[name] = _fit_any(self._specs[name], value)
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
        if self._symbols and (apart := self.disagreement(feeds)):
            raise InputError(apart)
        return feeds

    def disagreement(self, feeds: Mapping[str, Any]) -> str:
        """Return a sentence on a symbolic size that is not the same wherever it stands; empty if there is none."""
        sizes: dict[str, tuple[int, str]] = {}
        for name, value in feeds.items():
            for symbol, size in zip(self._specs[name].shape or (), getattr(value, "shape", ()), strict=False):
                if isinstance(symbol, str) and sizes.setdefault(symbol, (size, name))[0] != size:
                    return (
                        f"{symbol!r} is {sizes[symbol][0]} in {sizes[symbol][1]!r} and {size} in {name!r}; it must "
                        "be the same in both."
                    )
        return ""

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
    """Return the asked names, if the model has outputs of these names.

    Raises
    ------
    workbench.errors.InputError
        If it has not, or none is asked for.
    """
    known = list(known)
    if not isinstance(asked, Iterable) or not (asked := [asked] if isinstance(asked, str) else list(asked)):
        raise InputError(
            f"outputs={asked!r} names no output. Give a list of some of {', '.join(map(repr, known))}; or leave it out "
            "for all."
        )
    for name in asked:
        if name not in known:
            raise InputError(f"The model has no output {name!r}; it has {', '.join(map(repr, known))}.")
    return asked


def kind_of(value: Any) -> str:
    """Return what a value is, with its article, for a message.

    >>> kind_of(3), kind_of([]), kind_of(np.ones(2)), kind_of(None)
    ('an int', 'a list', 'an ndarray', 'None')
    """
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeioAEIO' or name.startswith('nd') else 'a'} {name}"


_UNKNOWN: Any = object()
_Rule = tuple[np.dtype[Any], int | None, tuple[tuple[int, int], ...]]


def _rule(spec: TensorSpec) -> _Rule | None:
    """Return dtype, rank and fixed sizes by axis; None for texts and what is no tensor, which take a closer look."""
    if spec.dtype not in DTYPE_BITS:
        return None
    fixed = tuple((axis, size) for axis, size in enumerate(spec.shape or ()) if isinstance(size, int))
    return numpy_dtype(spec.dtype), None if spec.shape is None else len(spec.shape), fixed


def _fit_any(spec: TensorSpec, value: Any) -> Any:
    """Return a value as an array that fits, or as a list or dict of such; the rest is the runtime's to check."""
    kind, _, inner = spec.dtype.removesuffix(")").partition("(")
    if kind in DTYPE_BITS or kind == "string":
        return _fit(spec, value)
    if kind == "optional":
        return None if value is None else _fit_any(TensorSpec(spec.name, inner, None), value)
    if kind == "sequence":
        if not isinstance(value, (list, tuple)):
            raise InputError(f"Input {spec.name!r} is {kind_of(value)}; give a list, since the model takes {spec}.")
        return [_fit_any(TensorSpec(f"{spec.name}[{place}]", inner, None), item) for place, item in enumerate(value)]
    if kind == "map":
        keys, _, values = inner.partition(", ")
        return _fit_map(spec, keys, values, value)
    return value


def _fit_map(spec: TensorSpec, keys: str, values: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"Input {spec.name!r} is {kind_of(value)}; give a dict, since the model takes {spec}.")
    wanted = str if keys == "string" else int
    for key in value:
        if type(key) is not wanted:
            raise InputError(f"Input {spec.name!r} has the key {key!r}; its keys are {keys}. The model takes {spec}.")
    parts = {key: _fit_any(TensorSpec(f"{spec.name}[{key!r}]", values, None), item) for key, item in value.items()}
    return {key: part.item() if isinstance(part, np.ndarray) and not part.ndim else part for key, part in parts.items()}


def _fit(spec: TensorSpec, value: Any) -> np.ndarray[Any, Any]:
    """Return the value as an array that fits, or say why it does not."""
    if np.ma.is_masked(value):
        raise InputError(f"Input {spec.name!r} is a masked array, whose mask would be lost. Pass the filled one.")
    if isinstance(value, (list, tuple, bool, int, float, complex, str)):
        array = _from_python(spec, value)
    else:
        try:
            array = to_numpy(value) if is_tensor(value) else np.asarray(value)
        except Exception as error:
            raise InputError(
                f"Input {spec.name!r} is {kind_of(value)} that NumPy cannot take ({error}). The model takes {spec}."
            ) from error
    if array.dtype.kind in "OUST":
        array = _texts(spec, array)
    got = f"Input {spec.name!r} is {dtype_name(array.dtype)} {format_shape(array.shape)}; the model takes {spec}."
    if dtype_name(array.dtype) != spec.dtype:
        raise InputError(f"{got} {_cast_hint(spec, array)}")
    if not array.dtype.isnative and array.dtype.kind != "O":
        array = array.astype(array.dtype.newbyteorder("="))
    if spec.shape is None:
        return array
    if array.ndim != len(spec.shape):
        raise InputError(
            f"{got} It has {array.ndim} {'axis' if array.ndim == 1 else 'axes'} instead of {len(spec.shape)}: reshape "
            "it, or add axes of size 1."
        )
    for axis, (have, want) in enumerate(zip(array.shape, spec.shape, strict=True)):
        if isinstance(want, int) and have != want:
            raise InputError(f"{got} Axis {axis} has the size {have} and must have {want}.")
    return array


def _texts(spec: TensorSpec, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return texts as objects, in which form a runtime takes them whole; bytes are UTF-8."""
    try:
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        texts: np.ndarray[Any, Any] = array.astype(object)
        for item in texts.flat:
            if not isinstance(item, str):
                _refuse_objects(spec, texts)
            item.encode()
    except UnicodeError as error:
        raise InputError(f"Input {spec.name!r} has a text that is no UTF-8: {error}.") from error
    return texts


def _refuse_objects(spec: TensorSpec, array: np.ndarray[Any, Any]) -> NoReturn:
    wanted, kind = (str, "text") if spec.dtype == "string" else ((int, float, complex, np.number), "number")
    wrong = next((item for item in array.flat if not isinstance(item, wanted)), None)
    if wrong is None and None not in array.reshape(-1).tolist():
        said = "numbers that no dtype holds together"
    else:
        shown = "None" if wrong is None else f"{str(wrong)[:40]!r}, {kind_of(wrong)}"
        said = f"{shown}, which is no {kind}"
    raise InputError(f"Input {spec.name!r} holds {said}. The model takes {spec}.")


def _from_python(spec: TensorSpec, value: Any) -> np.ndarray[Any, Any]:
    """Make an array of numbers that have no dtype of their own, in the model's, where that loses nothing but digits."""
    try:
        array = np.asarray(value, dtype=object if spec.dtype == "string" else None)
    except ValueError as error:
        raise InputError(
            f"Input {spec.name!r} is a list with rows of different lengths. The model takes {spec}."
        ) from error
    except Exception as error:
        raise InputError(
            f"Input {spec.name!r} is {kind_of(value)} that NumPy cannot take ({error}). The model takes {spec}."
        ) from error
    if not array.size or (array.dtype.kind in "biuf" and _values_fit(array, spec.dtype)):
        return array.astype(numpy_dtype(spec.dtype))
    return array


def _cast_hint(spec: TensorSpec, array: np.ndarray[Any, Any]) -> str:
    got = dtype_name(array.dtype)
    if spec.dtype == "string" or got not in DTYPE_BITS:
        return "Give values of that dtype."
    if not _values_fit(array, spec.dtype):
        return f"Its values would not survive a cast to {spec.dtype}: check that it is the right array."
    if numpy_dtype(spec.dtype).isbuiltin != 1:
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
        return array.dtype.kind != "O" and (dtype.startswith("complex") or _stays_finite(array, dtype))
    if array.dtype.kind not in "biu":
        return False
    low, high = (0, 1) if dtype == "bool" else _limits(dtype)
    return low <= int(array.min()) and int(array.max()) <= high


def _stays_finite(array: np.ndarray[Any, Any], dtype: str) -> bool:
    """Return whether each value is as finite in a narrower float as it was."""
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64)
        narrow = array.astype(numpy_dtype(dtype)).astype(np.float64)
    return bool((np.isnan(wide) == np.isnan(narrow)).all() and (np.isinf(wide) == np.isinf(narrow)).all())


def _limits(dtype: str) -> tuple[int, int]:
    bits = DTYPE_BITS[dtype]
    return (0, (1 << bits) - 1) if dtype.startswith("u") else (-(1 << bits - 1), (1 << bits - 1) - 1)
