"""A drop-in for the package polyglot-bridge 0.2.0: its 20 functions, computed by the fused kernels.

    import fused_kernels.polyglot as polyglot_bridge

Names, arguments, result types, shapes and dtypes, exceptions and the beginnings of their messages are the original's;
docs/polyglot.md lists what is mended. The docstrings have the original's sections, since they are part of what a caller
can see.

>>> import numpy as np
>>> fused_linear_relu(np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2))
array([[1., 0.]])
"""

from __future__ import annotations

from .arrays import (
    fused_dropout_add,
    fused_layer_norm,
    fused_linear,
    fused_linear_f32,
    fused_linear_relu,
    fused_linear_relu_f32,
    fused_softmax,
    matmul_numpy,
    matmul_numpy_f32,
    parallel_map_numpy,
    parallel_map_numpy_f32,
    relu_numpy,
    relu_numpy_f32,
    sigmoid_numpy,
    sigmoid_numpy_f32,
    sum_of_squares_numpy,
    sum_of_squares_numpy_f32,
)
from .lists import matrix_multiply, parallel_transform, sum_of_squares

__all__ = [
    "fused_dropout_add",
    "fused_layer_norm",
    "fused_linear",
    "fused_linear_f32",
    "fused_linear_relu",
    "fused_linear_relu_f32",
    "fused_softmax",
    "matmul_numpy",
    "matmul_numpy_f32",
    "matrix_multiply",
    "parallel_map_numpy",
    "parallel_map_numpy_f32",
    "parallel_transform",
    "relu_numpy",
    "relu_numpy_f32",
    "sigmoid_numpy",
    "sigmoid_numpy_f32",
    "sum_of_squares",
    "sum_of_squares_numpy",
    "sum_of_squares_numpy_f32",
]
