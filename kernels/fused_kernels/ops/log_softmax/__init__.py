"""Logarithm of softmax."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
