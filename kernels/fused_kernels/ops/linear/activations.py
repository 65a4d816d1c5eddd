"""What may follow a product, as formulas of a scalar that are compiled into it."""

from __future__ import annotations

import math
from typing import Any

from numba.extending import intrinsic

from fused_kernels.cpu.gemm import PLAIN, RELU, Finish
from fused_kernels.cpu.intrinsics import fma
from fused_kernels.cpu.vector_math import fast_exp, fast_normal_cdf


def _silu(x: Any) -> Any:
    return x / (_one(x) + fast_exp(-x))


def _gelu_tanh(x: Any) -> Any:
    # 0.5 * (1 + tanh(u)) is 1 / (1 + exp(-2 * u)).
    return x / (_one(x) + fast_exp(x * fma(_cubic(x), x * x, _rate(x))))


def _gelu(x: Any) -> Any:
    return x * fast_normal_cdf(x)


ACTIVATIONS: dict[str | None, Finish] = {
    None: PLAIN,
    "relu": RELU,
    "gelu": Finish("gelu", formula=_gelu),
    "gelu_tanh": Finish("gelu_tanh", formula=_gelu_tanh),
    "silu": Finish("silu", formula=_silu),
}


def _constant(value: float) -> Any:
    """Make an intrinsic that gives ``value`` in the dtype of its argument, so that float32 stays float32."""

    @intrinsic
    def constant(_context: Any, like: Any) -> Any:
        return like(like), lambda context, builder, sig, args: context.get_constant(sig.return_type, value)

    return constant


_one = _constant(1.0)
_rate = _constant(-2 * math.sqrt(2 / math.pi))
_cubic = _constant(-0.044715 * 2 * math.sqrt(2 / math.pi))
