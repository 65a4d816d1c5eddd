"""What the Numba kernels share; importing any module of it imports Numba, so it happens on the first call."""
