"""JAX on the CPU: compiled by XLA as a whole, on device arrays made outside the clock."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Op

from .entry import Entry


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; a call waits for its result, and always makes a new one, since JAX's arrays are immutable.

    64-bit numbers are switched on around the calls only, where an input has them, and the user's setting stays.
    """
    import jax

    function = op.peers["jax"]()
    arrays = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray)}
    # A number or a word is part of what is compiled, as an epsilon or an axis is in a model.
    fixed = {name: value for name, value in inputs.items() if name not in arrays}
    names = tuple(arrays)
    compiled = jax.jit(lambda *values: function(**dict(zip(names, values, strict=True)), **fixed))
    wide = any(value.dtype in (np.float64, np.int64) for value in arrays.values())
    around = partial(jax.enable_x64, wide)
    with around():
        device = jax.local_devices(backend="cpu")[0]
        placed = tuple(jax.device_put(value, device) for value in arrays.values())
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
