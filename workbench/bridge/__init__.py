"""The bridge between buffers, NumPy, CuPy and torch: memory is shared where it can be, and each transfer is told."""
