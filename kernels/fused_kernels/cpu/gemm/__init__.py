"""Matrix products in our own code, finished with bias and activation before they leave the first-level cache.

After Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008, as BLIS has it:

- `product` and `stack`: one product, and many at once.
- `rules` and `cut`: which form a product takes, and its blocks (the depth is BLIS's KC, the block NC).
- `tile`: the piece of the result that registers hold (height and width are MR and NR); `microkernel` computes it.
- `pack`: copies pieces of both sides to where the microkernel finds them in order.
- `epilogue`: what is done to a tile while it is in the first-level cache.
- `plan`, `core`, `launch`: what the threads of a product share, what each does, and how they are started.
"""

from __future__ import annotations

from .epilogue import PLAIN, RELU, Epilogue
from .launch import attempt
from .product import product

__all__ = ["PLAIN", "RELU", "Epilogue", "attempt", "product"]
