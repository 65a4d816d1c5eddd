"""Values for a GPU: numbers of bfloat16, which NumPy lacks, as float32; and a function there, asked from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs
from workbench.bench.devices import Device

from .far import BRAIN, far, mapped


def is_bfloat16(dtype: Any) -> bool:
    """Tell whether a dtype is bfloat16: by name, or that of torch or of ml_dtypes."""
    return str(dtype).removeprefix("torch.") == BRAIN


def rounded(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return float32 numbers rounded to those that bfloat16 has, ties to even; NaN stays NaN.

    >>> import numpy as np
    >>> rounded(np.array([1.0, 1.00390625, 1.01171875, np.nan], np.float32)).tolist()
    [1.0, 1.0, 1.015625, nan]
    """
    words = values.view(np.uint32)
    up = words + (np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1)))
    near = (up & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(values), values, near)


def rounding(fresh: Callable[[np.random.Generator], Inputs]) -> Callable[[np.random.Generator], Inputs]:
    """Return what makes the same inputs, their float32 numbers rounded to those of bfloat16."""

    def make(rng: np.random.Generator) -> Inputs:
        return {name: rounded(value) if _is_float32(value) else value for name, value in fresh(rng).items()}

    return make


def of_device(inputs: Mapping[str, Any]) -> tuple[Inputs, dict[str, str]]:
    """Return inputs with all arrays as NumPy's, and the names of those that are of bfloat16."""
    kinds: dict[str, str] = {}

    def near(value: Any) -> Any:
        array = far(value)
        if array is not None:
            return array.fetch()
        if hasattr(value, "detach"):  # a tensor on the CPU
            value = value.detach()
            return value.float().numpy() if is_bfloat16(value.dtype) else value.numpy()
        return value.astype(np.float32) if isinstance(value, np.ndarray) and is_bfloat16(value.dtype) else value

    taken = {}
    for name, value in inputs.items():
        if is_bfloat16(getattr(value, "dtype", None)):
            kinds[name] = BRAIN
        taken[name] = mapped(value, near)
    return taken, kinds


def of_device_each(fresh: Callable[[np.random.Generator], Inputs]) -> Callable[[np.random.Generator], Inputs]:
    """Return what makes the same inputs, as :func:`of_device` has them."""
    return lambda rng: of_device(fresh(rng))[0]


def through(device: Device, function: Callable[..., Any], kinds: Mapping[str, str]) -> Callable[..., Any]:
    """Return a function on NumPy's arrays that computes what ``function`` does on the device's.

    Parameters
    ----------
    device, function
        Where and what.
    kinds
        By the name of an input, the dtype in which its float32 numbers go there.
    """

    def call(*positional: Any, **named: Any) -> Any:
        def sent(name: str, value: Any) -> Any:
            return mapped(
                value,
                lambda item: (
                    device.put(item, kinds.get(name) if _is_float32(item) else None)
                    if isinstance(item, np.ndarray)
                    else item
                ),
            )

        returned = function(
            *(sent(str(place), value) for place, value in enumerate(positional)),
            **{name: sent(name, value) for name, value in named.items()},
        )
        return mapped(returned, lambda item: item if (array := far(item)) is None else array.fetch())

    return call


def _is_float32(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32
