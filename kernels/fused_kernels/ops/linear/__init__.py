"""A dense layer: matrix product, bias and activation."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
