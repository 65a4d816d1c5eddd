"""What shows ring kernels: the panel, and the cards of their state and their audit."""
