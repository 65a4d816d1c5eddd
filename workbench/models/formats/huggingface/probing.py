"""Inputs and outputs of an architecture that :mod:`.signature` does not list: seen by running it without any numbers.

Torch's fake tensors have dtypes and shapes and no values, so that a model of any size is built and run in a tenth of a
second and no memory. It runs in two sizes; what differs between them is a free axis.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from workbench.arrays import Dimension, TensorSpec, dtype_name

from .building import quiet
from .signature import Signature

_SIZES = {
    # Each is told from the others by its sizes in the two runs, and from what is fixed by their difference.
    "batch": (2, 3),
    "sequence": (7, 11),
    "decoder_sequence": (5, 9),
    "samples": (16000, 24000),
    "height": (64, 96),
    "width": (128, 160),
}
_INTEGERS = ("input_ids", "attention_mask", "decoder_input_ids")


def probed(module: Any) -> Signature:
    """Return what a model of transformers takes and gives; the outputs are empty where it cannot run without values.

    Parameters
    ----------
    module
        The built model, of which only the class, the configuration and the dtype are used.
    """
    inputs = _inputs(module)
    if not inputs:
        return (), ()
    try:
        first, second = (_run(module, inputs, place) for place in (0, 1))
    except Exception:  # what depends on values cannot be run without them; the inputs are known all the same
        return inputs, ()
    outputs = tuple(
        TensorSpec(name, dtype, _dimensions(shape, second[name][1]))
        for name, (dtype, shape) in first.items()
        if name in second
    )
    return inputs, outputs


def _inputs(module: Any) -> tuple[TensorSpec, ...]:
    """Return what the model needs, and the mask that goes with it, by the names that transformers gives them."""
    taken = inspect.signature(type(module).forward).parameters
    main, config = module.main_input_name, module.config
    dtype = dtype_name(module.dtype)
    shapes: dict[str, tuple[Dimension, ...]] = {
        "input_ids": ("batch", "sequence"),
        "input_values": ("batch", "samples"),
        "pixel_values": ("batch", _number(config, "num_channels") or 3, *_sides(config)),
    }
    if main not in shapes or main not in taken:
        return ()
    specs = [TensorSpec(main, "int64" if main in _INTEGERS else dtype, shapes[main])]
    if main == "input_ids" and "attention_mask" in taken:
        specs.append(TensorSpec("attention_mask", "int64", ("batch", "sequence"), optional=True))
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in taken:
        specs.append(TensorSpec("decoder_input_ids", "int64", ("batch", "decoder_sequence")))
    return tuple(specs)


def _sides(config: Any) -> tuple[Dimension, Dimension]:
    size = getattr(config, "image_size", None)
    pair = size if isinstance(size, (list, tuple)) and len(size) == 2 else (size, size)
    height, width = (side if type(side) is int else None for side in pair)
    return height or "height", width or "width"


def _number(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if type(value) is int else None


def _run(module: Any, inputs: tuple[TensorSpec, ...], place: int) -> Mapping[str, tuple[str, tuple[int, ...]]]:
    """Return dtype and shape of each output, in one of the two sizes."""
    import torch
    import transformers
    from torch._subclasses.fake_tensor import FakeTensorMode

    with quiet(transformers), torch.random.fork_rng(devices=[]), FakeTensorMode(), torch.no_grad():
        fake = type(module)(module.config).eval()
        feeds = {
            spec.name: torch.ones(
                [_SIZES[size][place] if isinstance(size, str) else size or 1 for size in spec.shape or ()],
                dtype=torch.int64 if spec.dtype == "int64" else None,  # else as the weights are made here
            )
            for spec in inputs
        }
        results = fake(**feeds, return_dict=True)
        made = torch.get_default_dtype()
        return {
            name: (dtype_name(module.dtype if value.dtype == made else value.dtype), tuple(value.shape))
            for name, value in results.items()
            if isinstance(value, torch.Tensor)
        }


def _dimensions(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[Dimension, ...] | None:
    if len(first) != len(second):
        return None
    names = {sizes: name for name, sizes in _SIZES.items()}
    return tuple(one if one == other else names.get((one, other)) for one, other in zip(first, second, strict=True))
