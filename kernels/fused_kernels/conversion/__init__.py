"""Into the form that a kernel takes, and back: torch tensors, lists, integers, strides, byte orders, overlaps.

Two functions take a call that is not the simple one: `convert` those of operations that loop over rows, columns or
matrices, `convert_formula` those of formulas. Both are the same steps, each of which is a file here:

- `tensors`: torch tensors become arrays on the same memory, and results tensors.
- `arguments`: what is received becomes an array of real numbers, or is refused.
- `dtypes`: the dtype of the result, and the one it is computed in.
- `results`: what is asked of ``out``, and how the result gets there if the kernel cannot write it itself.
- `layout`: the memory that a kernel takes as it is, and the copy of any other.
- `reference`: NumPy computes where there is no kernel for the dtype.
"""

from __future__ import annotations

from .formulas import convert_formula
from .operations import convert

__all__ = ["convert", "convert_formula"]
