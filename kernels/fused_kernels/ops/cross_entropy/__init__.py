"""Cross entropy from logits."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
