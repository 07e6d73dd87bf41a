"""Shrinks trained networks: prices of sub-kernels, weights that are fitted."""
