"""The elementary functions in a form that LLVM vectorises, for float32 and float64.

Numba calls the C library's function for each element, which keeps a loop scalar; these are straight arithmetic and
selections, inlined into the loop that calls them. They are callable from kernels only, with float32 or float64;
integers are taken as float64.
"""

from __future__ import annotations

from .exponential import exp, exp_nonpositive

__all__ = ["exp", "exp_nonpositive"]
