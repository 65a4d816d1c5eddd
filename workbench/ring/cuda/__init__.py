"""Ring kernels on a GPU: one persistent CUDA kernel that takes messages out of rings in memory that both sides see."""
