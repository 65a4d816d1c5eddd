"""The matrix product."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
