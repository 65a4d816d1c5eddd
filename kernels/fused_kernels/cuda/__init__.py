"""What the CUDA kernels share: from a call with arrays on a GPU, through a plan, to launches; see kernels/README.md."""
