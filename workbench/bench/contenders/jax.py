"""JAX on the CPU: compiled by XLA as a whole, on device arrays made outside the clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, on_memory


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; a call waits for its result, and always makes a new one, since JAX's arrays are immutable.

    64-bit numbers are switched on around the calls only, where an input has them, and the user's setting stays.
    """
    import jax

    function = op.peers["jax"]()
    names = tuple(name for name, value in inputs.items() if isinstance(value, np.ndarray))
    # A number or a word is part of what is compiled, as an epsilon or an axis is in a model.
    fixed = {name: value for name, value in inputs.items() if name not in names}
    compiled = jax.jit(lambda *values: function(**dict(zip(names, values, strict=True)), **fixed))
    wide = any(inputs[name].dtype in (np.float64, np.int64) for name in names)
    around = partial(jax.enable_x64, wide)
    return on_memory(partial(_entry, compiled, names, around), inputs, None)


def _entry(compiled: Any, names: tuple[str, ...], around: Callable[[], Any], inputs: Inputs, _: Any) -> Entry:
    import jax

    with around():
        device = jax.local_devices(backend="cpu")[0]
        placed = tuple(jax.device_put(inputs[name], device) for name in names)
        for value in placed:
            value.block_until_ready()
        several = isinstance(jax.eval_shape(compiled, *placed), tuple | list)

    def call() -> Any:
        return compiled(*placed).block_until_ready()

    def call_for_several() -> Any:
        results = compiled(*placed)
        for result in results:
            result.block_until_ready()
        return results

    return Entry(call_for_several if several else call, inputs, around=around)
