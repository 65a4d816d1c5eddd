"""The seventeen functions of polyglot-bridge that take NumPy arrays."""

# The docstrings have the original's sections, and `input` is its name of an argument.
# ruff: noqa: D406, D407

from __future__ import annotations

from typing import Any

import numpy as np

import fused_kernels as fk
from fused_kernels.dispatch import FLOAT32, FLOAT64, Array
from fused_kernels.errors import ShapeError

from .arguments import float_array, number


def matmul_numpy(a: Array, b: Array) -> Array:
    """Multiply two matrices.

    Args:
        a: float64 array of shape (m, k)
        b: float64 array of shape (k, n)

    Returns:
        float64 array of shape (m, n)

    Raises:
        ValueError: if the dimensions don't match
        TypeError: if an argument is anything else

    Example:
        >>> matmul_numpy(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
        array([[11.]])
    """
    return _matmul(a, b, FLOAT64)


def matmul_numpy_f32(a: Array, b: Array) -> Array:
    """Multiply two matrices of float32; otherwise as `matmul_numpy`."""
    return _matmul(a, b, FLOAT32)


def parallel_map_numpy(arr: Array, factor: float) -> Array:
    """Multiply each element by a factor, on all cores.

    Args:
        arr: float64 array of shape (n,)
        factor: a real number

    Returns:
        float64 array of shape (n,)

    Raises:
        TypeError: if an argument is anything else

    Example:
        >>> parallel_map_numpy(np.array([1.0, 2.0]), 10)
        array([10., 20.])
    """
    return _map(arr, factor, FLOAT64)


def parallel_map_numpy_f32(arr: Array, factor: float) -> Array:
    """Multiply each element of a float32 array by a factor, rounded to float32; otherwise as `parallel_map_numpy`."""
    return _map(arr, factor, FLOAT32)


def sum_of_squares_numpy(arr: Array) -> float:
    """Compute the sum of the squares of an array.

    Args:
        arr: float64 array of shape (n,)

    Returns:
        float: 0 for an empty array, inf where the sum is beyond float64

    Raises:
        TypeError: if arr is anything else

    Example:
        >>> sum_of_squares_numpy(np.array([1.0, 2.0, 3.0]))
        14.0
    """
    return float(fk.sum_of_squares(float_array("arr", arr, FLOAT64, 1)))


def sum_of_squares_numpy_f32(arr: Array) -> float:
    """Compute the sum of the squares of a float32 array, rounded to float32; otherwise as `sum_of_squares_numpy`."""
    return float(fk.sum_of_squares(float_array("arr", arr, FLOAT32, 1)))


def fused_linear(input: Array, weights: Array, bias: Array) -> Array:
    """Compute ``input @ weights + bias`` in one pass.

    Args:
        input: float64 array of shape (m, k)
        weights: float64 array of shape (k, n)
        bias: float64 array of shape (n,)

    Returns:
        float64 array of shape (m, n)

    Raises:
        ValueError: if the dimensions don't match
        TypeError: if an argument is anything else

    Example:
        >>> fused_linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([-20.0]))
        array([[-9.]])
    """
    return _linear(input, weights, bias, FLOAT64, None)


def fused_linear_f32(input: Array, weights: Array, bias: Array) -> Array:
    """Compute ``input @ weights + bias`` of float32 arrays; otherwise as `fused_linear`. The result has two axes."""
    return _linear(input, weights, bias, FLOAT32, None)


def fused_linear_relu(input: Array, weights: Array, bias: Array) -> Array:
    """Compute ``max(input @ weights + bias, 0)`` in one pass; otherwise as `fused_linear`. NaN stays NaN.

    Example:
        >>> fused_linear_relu(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([-20.0]))
        array([[0.]])
    """
    return _linear(input, weights, bias, FLOAT64, "relu")


def fused_linear_relu_f32(input: Array, weights: Array, bias: Array) -> Array:
    """Compute ``max(input @ weights + bias, 0)`` of float32 arrays; otherwise as `fused_linear_relu`."""
    return _linear(input, weights, bias, FLOAT32, "relu")


def fused_dropout_add(x: Array, residual: Array, dropout_mask: Array, scale: float) -> Array:
    """Compute ``x * dropout_mask * scale + residual`` in one pass.

    Args:
        x, residual, dropout_mask: float64 arrays of one shape (m, n)
        scale: a real number

    Returns:
        float64 array of shape (m, n)

    Raises:
        ValueError: if the shapes differ
        TypeError: if an argument is anything else

    Example:
        >>> fused_dropout_add(np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]]), np.array([[1.0, 0.0]]), 2.0)
        array([[12., 20.]])
    """
    x = float_array("x", x, FLOAT64, 2)
    residual = float_array("residual", residual, FLOAT64, 2)
    mask = float_array("dropout_mask", dropout_mask, FLOAT64, 2)
    scale = number("scale", scale)
    if not x.shape == residual.shape == mask.shape:
        raise ShapeError(
            f"All arrays must have the same shape: x has {x.shape}, residual {residual.shape}, "
            f"dropout_mask {mask.shape}. Broadcast them first, for example with np.broadcast_to."
        )
    result: Array = fk.dropout_add(x, residual, mask, scale)
    return result


def fused_layer_norm(x: Array, eps: float = 1e-5) -> Array:
    """Compute ``(x - mean) / sqrt(variance + eps)`` over each row.

    Args:
        x: float64 array of shape (m, n)
        eps: added to the variance

    Returns:
        float64 array of shape (m, n); NaN where variance + eps is negative, or 0 under a difference of 0

    Raises:
        TypeError: if an argument is anything else

    Example:
        >>> fused_layer_norm(np.array([[1.0, 3.0]])).round(3)
        array([[-1.,  1.]])
    """
    x = float_array("x", x, FLOAT64, 2)
    eps = number("eps", eps)
    result: Array
    if not x.size:
        result = np.empty(x.shape)
    elif eps >= 0:
        result = fk.layer_norm(x, eps=eps)
    else:  # layer_norm refuses it, and the original has an answer
        with np.errstate(invalid="ignore"):
            result = fk.OPS["layer_norm"].reference(np.asarray(x), eps=eps)
    return result


def fused_softmax(x: Array) -> Array:
    """Compute ``exp(x) / sum(exp(x))`` over each row, so that nothing overflows.

    Args:
        x: float64 array of shape (m, n)

    Returns:
        float64 array of shape (m, n); NaN in rows that are all -inf

    Raises:
        TypeError: if x is anything else

    Example:
        >>> fused_softmax(np.array([[0.0, 0.0]]))
        array([[0.5, 0.5]])
    """
    result: Array = fk.softmax(float_array("x", x, FLOAT64, 2))
    return result


def relu_numpy(arr: Array) -> Array:
    """Compute ``max(arr, 0)``.

    Args:
        arr: float64 array of shape (n,)

    Returns:
        float64 array of shape (n,); NaN stays NaN

    Raises:
        TypeError: if arr is anything else

    Example:
        >>> relu_numpy(np.array([-1.0, 2.0]))
        array([0., 2.])
    """
    result: Array = fk.relu(float_array("arr", arr, FLOAT64, 1))
    return result


def relu_numpy_f32(arr: Array) -> Array:
    """Compute ``max(arr, 0)`` of a float32 array; otherwise as `relu_numpy`."""
    result: Array = fk.relu(float_array("arr", arr, FLOAT32, 1))
    return result


def sigmoid_numpy(arr: Array) -> Array:
    """Compute ``1 / (1 + exp(-arr))``.

    Args:
        arr: float64 array of shape (n,)

    Returns:
        float64 array of shape (n,)

    Raises:
        TypeError: if arr is anything else

    Example:
        >>> sigmoid_numpy(np.array([0.0]))
        array([0.5])
    """
    result: Array = fk.sigmoid(float_array("arr", arr, FLOAT64, 1))
    return result


def sigmoid_numpy_f32(arr: Array) -> Array:
    """Compute ``1 / (1 + exp(-arr))`` of a float32 array; otherwise as `sigmoid_numpy`."""
    result: Array = fk.sigmoid(float_array("arr", arr, FLOAT32, 1))
    return result


def _matmul(a: Any, b: Any, dtype: np.dtype[Any]) -> Array:
    a, b = float_array("a", a, dtype, 2), float_array("b", b, dtype, 2)
    try:
        result: Array = fk.matmul(a, b)
    except ShapeError as error:
        raise ShapeError(f"Matrix dimensions don't match: {a.shape} @ {b.shape}. {error}") from error
    return result


def _map(arr: Any, factor: Any, dtype: np.dtype[Any]) -> Array:
    result: Array = fk.scale(float_array("arr", arr, dtype, 1), number("factor", factor))
    return result


def _linear(x: Any, weights: Any, bias: Any, dtype: np.dtype[Any], activation: str | None) -> Array:
    x, weights = float_array("input", x, dtype, 2), float_array("weights", weights, dtype, 2)
    bias = float_array("bias", bias, dtype, 1)
    try:
        result: Array = fk.linear(x, weights, bias, activation=activation)
    except ShapeError as error:
        pair = "Input and weights" if x.shape[1] != weights.shape[0] else "Weights and bias"
        raise ShapeError(f"{pair} dimensions don't match. {error}") from error
    return result
